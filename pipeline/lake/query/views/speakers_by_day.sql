-- Who was quoted on which day of publication (that of the run where the page names none), one row a speaker and day.
-- utterances counts equal words once, however many sites printed them.
CREATE VIEW speakers_by_day AS
SELECT
  coalesce(published_at::DATE, run_date) AS day, speaker_name, mode(speaker_role) AS speaker_role,
  count(*) AS quotes, count(DISTINCT utterance_id) AS utterances,
  count(DISTINCT article_id) AS articles, count(DISTINCT domain) AS domains
FROM quotes_latest WHERE speaker_name IS NOT NULL
GROUP BY ALL;
