"""What the monitor stores.

incidents       open and closed incidents, and the heartbeats of services
detector_state  the state of each detector, and the hours that it has yet to read
"""
