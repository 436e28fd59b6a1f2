"""A run of Onrecord: command line, configuration, graph, lake and reports."""
