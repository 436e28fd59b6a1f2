"""Advice for each reason why a URL has no article, for the report and the documentation."""

from transforms.schema.failures import Reason

ADVICE: dict[Reason, str] = {
    Reason.INVALID_URL: "Correct the URL in the list or feed that contains it.",
    Reason.LISTING_UNREADABLE: (
        "Open the feed or sitemap in a browser. If it shows a web page, find the new address and put it in the sources."
    ),
    Reason.ARCHIVE_DAMAGED: "Download the archive again. All readable records are in the tables.",
    Reason.ROBOTS: "The site excludes robots. Remove these pages from the list, or ask the publisher.",
    Reason.ROBOTS_UNREACHABLE: (
        "Nothing to do at first: the next run tries again. If it happens again, check whether the site is online."
    ),
    Reason.OPTED_OUT: (
        "The publisher does not allow text mining. With its permission, set fetch.obey_opt_outs to false."
    ),
    Reason.PRIVATE_ADDRESS: (
        "If the host is yours, add it to fetch.allow_private_hosts. Otherwise do not: a link leads into your network."
    ),
    Reason.PORT_NOT_ALLOWED: "If you trust the host, add the port to fetch.allowed_ports.",
    Reason.DNS: "Check the host name for typing errors. If it is correct, the next run tries again.",
    Reason.CONNECT: "The next run tries again. If it happens again, the site is offline or blocks this machine.",
    Reason.TLS: "Open the site in a browser. If its certificate is invalid there too, only its owner can fix it.",
    Reason.TIMEOUT: "The next run tries again. For a site that is always slow, increase fetch.total_timeout.",
    Reason.TRUNCATED: "The next run tries again. If it happens again, the server or a proxy truncates its responses.",
    Reason.PROTOCOL: "The next run tries again. If it happens again, the server sends invalid HTTP.",
    Reason.HTTP_4XX: (
        "Open the page in a browser. If it needs a login or blocks robots, remove it, or ask the publisher."
    ),
    Reason.HTTP_GONE: "Remove the URL from the list. A feed removes it by itself.",
    Reason.HTTP_429: "The next run tries again. Increase fetch.delay_seconds for this site.",
    Reason.HTTP_5XX: "The next run tries again. If it happens again, the site has an internal error.",
    Reason.HTTP_UNEXPECTED: "Open the page in a browser. If it shows an article, use the final URL.",
    Reason.REDIRECT_LOOP: "The page probably waits for a cookie or for consent. Remove it, or use the final URL.",
    Reason.TOO_MANY_REDIRECTS: "Use the final URL, or increase fetch.max_redirects.",
    Reason.TOO_LARGE: "If you want such a page, increase fetch.max_body_bytes.",
    Reason.UNSUPPORTED_TYPE: "Nothing to do: a PDF, image or audio file is not an article. Remove such URLs.",
    Reason.EMPTY_BODY: "Open the page in a browser. A page that only scripts fill cannot be read.",
    Reason.HOST_BUDGET: (
        "The next run fetches these. To fetch more per run, increase fetch.host_max_requests or host_max_seconds."
    ),
    Reason.FORGOTTEN: "Nothing to do: these pages were deleted with `onrecord forget`.",
    Reason.NOT_DUE: "Nothing to do: an earlier run has these. To fetch them sooner, change the options under revisit.",
    Reason.CANCELLED: "Run the configuration again: the next run fetches these.",
    Reason.NOT_ARTICLE: (
        "Open an example. An index, a video or a consent page is correctly left out; please report a real article."
    ),
    Reason.TOO_SHORT: "Open an example. If you want such short articles, decrease extract.min_words.",
    Reason.UNPARSABLE: "Open an example. If a browser shows an article, please report the URL.",
    Reason.INTERNAL_ERROR: "A bug in Onrecord: please report the message and the URL. The next run tries again.",
}
