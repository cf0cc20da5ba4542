"""Events as HTTP POSTs to an application, signed by Standard Webhooks 1.0.

``message`` is what is sent; ``answers`` what comes back, and what it means; ``lanes`` keeps the order of one number's
events; ``sink`` sends, waits and tries again; ``settings`` is the section of the configuration. What an application has
to know is told by ``docs/webhooks.rst``.
"""
