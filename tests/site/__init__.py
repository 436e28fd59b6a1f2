"""A small news site of four invented publishers, for ``make run`` and the tests.

``quotes.json`` has the expected quotes of its English articles: requested ``url``, ``text`` (without outer marks and a
closing comma; fragments joined by a space), ``speaker_name`` (null if the text gives no name), ``kind``, ``fragments``
(each occurs literally in the page). Speech that continues after its attribution, or over several paragraphs, is one
quote. Headlines, indirect questions, and reported commands and promises (``told them to``) are not
listed.
"""
