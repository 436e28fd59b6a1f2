-- The quotes of articles_latest, with the columns of quotes.
CREATE VIEW quotes_latest AS
SELECT quotes.* FROM quotes SEMI JOIN articles_latest USING (version_id, run_id);
