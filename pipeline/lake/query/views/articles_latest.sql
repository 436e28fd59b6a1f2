-- The newest version of each page: one row per article_id, with the columns of articles.
CREATE VIEW articles_latest AS
WITH newest AS (
  SELECT article_id, max({
    'fetched_at': coalesce(fetched_at, TIMESTAMPTZ '1970-01-01'), 'extractor_version': extractor_version,
    'run_date': run_date, 'run_id': run_id, 'version_id': version_id
  }) AS row
  FROM articles GROUP BY article_id
)
SELECT articles.* FROM articles
JOIN newest ON articles.version_id = newest.row.version_id AND articles.run_id = newest.row.run_id;
