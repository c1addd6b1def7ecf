"""Simulated models behind OpenAI-compatible servers, labelled as simulated wherever they show.

models         the two models of the simulated world, and an echo for tests
judge          a judge that knows what is right in the world
openai_format  replies as an OpenAI-compatible server writes them
structured     tool calls and JSON in a required shape
process        all of them in a process of their own
"""
