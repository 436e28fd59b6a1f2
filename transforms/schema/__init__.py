"""Define the data that flows between the stages: records, tables, ids and failures."""
