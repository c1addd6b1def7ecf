"""Simulated models behind OpenAI-compatible servers. All that they answer is marked as simulated.

models         the two models of the simulated world, and an echo for tests
judge          a judge that knows the right answers of the world
openai_format  replies as an OpenAI-compatible server writes them
structured     tool calls and JSON in a required shape
process        all of them in one separate process
"""
