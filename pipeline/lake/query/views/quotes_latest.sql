-- The quotes of articles_latest, with the columns of quotes. quotation is the text as shown to readers; is_speech is false for
-- beliefs, intentions and other attitudes.
CREATE VIEW quotes_latest AS
SELECT quotes.*, quotation(text, kind) AS quotation, is_speech(kind, cue_class) AS is_speech
FROM quotes SEMI JOIN articles_latest USING (version_id, run_id);
