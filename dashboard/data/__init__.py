"""What several pages read: nothing here draws, and no widget is here.

cache       connections, what is cached for how long, and the tallies that pages share
catalogue   cached reads of what a reader can choose from: tasks, candidates, dimensions, values
incidents   cached reads of incidents and heartbeats
tables      tallies to the tables that several pages draw
windows     time windows, and the windows they are compared with
config      what shadow.toml says about tasks and models
clamp_time  date arithmetic that stops at the ends of the calendar
"""
