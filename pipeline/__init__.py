"""What a run is: its command line, configuration, graph, lake and report."""
