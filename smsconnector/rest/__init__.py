"""Requests to HTTP providers from templates, and what the answers mean: a core, without clock, socket or file.

1. ``variables``: what a template can name, such as the number in its forms, the text, our id.
2. ``filters``: what can be made of a value, such as hexadecimal digits of its octets.
3. ``templates``: a text with ``{{placeholders}}``, filled in one pass and escaped for the place where it stands.
4. ``requests``: the whole request: URL, query, headers, and the body as form, JSON, XML or plain text.
5. ``answers``: the answer, decoded once, and where a value stands in it.
6. ``conditions``: whether the provider took the text, and if not, what that means.
7. ``ids``: the provider's ids of the text.
"""
