"""Channels of the type ``http``: any provider, from configuration alone.

``settings``     the section of the configuration, and what is made of it
``templates``    every template of the section, and its faults
``conditions``   the sections for answers: what is accepted, where ids stand, what failures mean
``session``      a log-in or a token: fetched once, kept, renewed
``web_token``    a JSON Web Token that we make ourselves
``signing``      the signature of a request
``provider``     a request for a text, and the result of its answer
``cutting``      texts that are too long for one request
``making``       the channel from its section
"""
