"""Web archives (WARC): reading, writing and the transforms around both."""
