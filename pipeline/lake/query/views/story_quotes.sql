-- The quotes of each story on all sites: one row per quote in the newest version of a page.
CREATE VIEW story_quotes AS
SELECT
  stories.story_id, stories.is_original, articles_latest.domain, articles_latest.url, articles_latest.title,
  articles_latest.published_at, quotes.ordinal, quotes.speaker_name, quotes.speaker_role, quotes.kind, quotes.text,
  quotation(quotes.text, quotes.kind) AS quotation, is_speech(quotes.kind, quotes.cue_class) AS is_speech,
  quotes.utterance_id, quotes.quote_id, quotes.version_id
FROM articles_latest
JOIN stories USING (version_id, run_id)
JOIN quotes USING (version_id, run_id);
