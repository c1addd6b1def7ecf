"""The seeded world of the demo: its users, their requests, and what is right.

world          who asks what, when, and what the two models answer
workloads      the three tasks: what a request says, how it is read, what answers it
phrases        what the simulated customers write
answers        what the simulated agents reply
timeline       what happens in the simulated weeks, and when
accuracy       how often each model is right
reviewers      simulated people who label pairs
seeded_random  random numbers that depend on the seed and the name of the draw alone
failed_requests  failed live requests, logged now and then
traffic        the application: weeks of past exchanges at once, then live requests
"""
