"""Has a rate risen above its baseline?

baseline  the expected rate for each hour of the week
drift     the e-Shiryaev–Roberts detector
"""
