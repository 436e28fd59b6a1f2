-- The quotes of articles_latest, with the columns of quotes; quotation is the text as shown to readers.
CREATE VIEW quotes_latest AS
SELECT quotes.*, quotation(text, kind) AS quotation FROM quotes SEMI JOIN articles_latest USING (version_id, run_id);
