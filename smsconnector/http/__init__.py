"""HTTP: what applications and providers call.

Plain functions of octets and headers, which know no server:

``answers``      the records: request, answer, route
``api``          the table of routes, and the edge where an error becomes an answer
``send``         the handler of ``/send``
``batch``        the handler of ``/send-batch``; ``batch_items`` and ``recipients`` cut a batch into its messages
``idempotency``  the key of a request that may come again
``webhooks``     the handlers of ``/receive`` and ``/delivery-notification``
``hook_counts``  how often webhooks were refused or could not be read
``messages``     the handlers of messages: one, its timeline, those that fit, the end of one
``resources``    the message and its timeline as JSON
``queries``      the query of those that fit
``health``       the handler of the health
``docs``         the description of the API, and the page that shows it
``siblings``     messages of other processes that share the port
``requests``     the JSON that applications post, checked
``forms``        the forms that providers post, checked
``charsets``     the alphabet of a body
``replies``      JSON bodies and headers of answers, and the one form of every error
``auth``         API keys

The server. Requests in their plain form take the fast lane:

``heads``        which heads are plain, and what they say
``lane``         plain requests of one connection: begun, answered in order, written
``rendering``    answers as octets

All others are read by Twisted's and Klein's parts:

``door``         the ports that it listens on
``site``         bodies have a limit
``routes``       a request finds its route, in both
``streams``      bodies that are handled while they come
``long_answers`` answers that are written as the client reads

Around both:

``server``       the parts put together
``bodies``       how many octets the bodies of all requests may have together
``connections``  how many connections there may be, and how long one may take over a request
"""
