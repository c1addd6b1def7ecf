"""What the monitor keeps.

incidents       open and closed incidents, and the heartbeats of services
detector_state  the state of each detector, and how far each has read
"""
