"""What pages show, read and computed: nothing here draws.

reads          cached reads for all pages
cache          connections, what is cached for how long, and the reads that pages share
measures       tallies to the tables that charts draw
regret_tables  the same for regret
shift_tables   the same for distribution shift
state          selections, kept in the page's address
config         what shadow.toml says of tasks and models
clamp_time     arithmetic on times that the calendar's ends bound
"""
