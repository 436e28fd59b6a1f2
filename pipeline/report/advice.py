"""What to do about each reason for which a URL has no article: shown in the run report, and in the documentation."""

from transforms.schema.failures import Reason

ADVICE: dict[Reason, str] = {
    Reason.INVALID_URL: "Correct the address in the list or feed that named it.",
    Reason.LISTING_UNREADABLE: (
        "Open the feed or sitemap in a browser: if it is a web page now, look for its new address and name that."
    ),
    Reason.ARCHIVE_DAMAGED: "Fetch the archive again; the records that could be read are in the tables.",
    Reason.ROBOTS: "The site asks robots to stay out. Leave these pages out of the list, or ask the publisher.",
    Reason.ROBOTS_UNREACHABLE: (
        "Nothing to do at first: the next run asks again. If it stays, look whether the site answers at all."
    ),
    Reason.OPTED_OUT: (
        "The publisher reserves its text from text mining. With its permission, set fetch.obey_opt_outs to false."
    ),
    Reason.PRIVATE_ADDRESS: (
        "If the host is really yours, name it in fetch.allow_private_hosts; if not, something leads into your network."
    ),
    Reason.PORT_NOT_ALLOWED: "If you trust the host, add the port to fetch.allowed_ports.",
    Reason.DNS: "Look for a typing error in the name. If it is right, the next run tries again.",
    Reason.CONNECT: "The next run tries again. If it stays, the site is down or keeps this machine out.",
    Reason.TLS: "Open the site in a browser: if the certificate is bad there too, only its owner can mend it.",
    Reason.TIMEOUT: "The next run tries again. For a site that is always slow, raise fetch.total_timeout.",
    Reason.TRUNCATED: "The next run tries again. If it stays, the server or a proxy on the way cuts its answers.",
    Reason.PROTOCOL: "The next run tries again. If it stays, the server is broken for all but browsers.",
    Reason.HTTP_4XX: (
        "Open the page in a browser. If it needs a login or keeps robots out, leave it out, or ask the publisher."
    ),
    Reason.HTTP_GONE: "Take the address out of the list; a feed will do so by itself.",
    Reason.HTTP_429: "The next run tries again. Raise fetch.delay_seconds for this site.",
    Reason.HTTP_5XX: "The next run tries again. If it stays, the site has a fault of its own.",
    Reason.HTTP_UNEXPECTED: "Open the page in a browser; if it shows an article there, name the address it ends at.",
    Reason.REDIRECT_LOOP: "The page often waits for a cookie or a consent. Leave it out, or name its final address.",
    Reason.TOO_MANY_REDIRECTS: "Name the final address, or raise fetch.max_redirects.",
    Reason.TOO_LARGE: "If such a page is wanted, raise fetch.max_body_bytes.",
    Reason.UNSUPPORTED_TYPE: "Nothing to do: a PDF, picture or sound is no article. Leave such addresses out.",
    Reason.EMPTY_BODY: "Open the page in a browser. If it is filled by scripts alone, it cannot be read.",
    Reason.HOST_BUDGET: (
        "The next run takes these up. To have more at once, raise fetch.host_max_requests or host_max_seconds."
    ),
    Reason.FORGOTTEN: "Nothing to do: you told the lake to forget these.",
    Reason.NOT_DUE: "Nothing to do: an earlier run has them. To ask sooner, change the options under revisit.",
    Reason.CANCELLED: "Start the configuration again: the next run takes these up.",
    Reason.NOT_ARTICLE: (
        "Open an example: an index, a video or a consent page is rightly left out; for a real article, report it."
    ),
    Reason.TOO_SHORT: "Open an example: if such short items are wanted, lower extract.min_words.",
    Reason.UNPARSABLE: "Open an example: if a browser shows an article, report the address as a fault.",
    Reason.INTERNAL_ERROR: "A fault of Onrecord: please report the message with the address. The next run tries again.",
}
