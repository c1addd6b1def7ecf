"""The seeded world of the demo: its users, their requests, and what is right.

world            requests, their users and times, and the replies of the two models
workloads        the three tasks: writing requests, reading them, answering them
phrases          texts of the simulated customers
answers          texts of the simulated agents
timeline         the events of the simulated weeks
accuracy         how often each model is right, and how it fails
reviewers        simulated people who label pairs
seeded_random    random numbers that depend only on the seed and the name of the draw
failed_requests  failed live requests, reported from time to time
traffic          the application: weeks of past exchanges at once, then live requests
"""
