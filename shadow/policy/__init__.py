"""Rules that are functions of a request and the settings. No I/O.

identify         the task, segments and unit of a request
sampling         whether an exchange is mirrored: a consistent hash
trials           which other models are asked about an exchange
relation         how a model that is asked relates to the one that a request was written for
request_needs    what a request needs: tools, modalities, state, length
eligibility      whether a model can serve a request, by its declared capabilities
endpoint_errors  whether it cannot, by its endpoint's error
"""
