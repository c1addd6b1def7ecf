"""Has a rate risen? What is normal at this hour of the week, and the alarm when it is exceeded.

baseline  what is normal at this hour of the week
drift     the e-Shiryaev–Roberts detector
"""
