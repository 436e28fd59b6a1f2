-- The entities of articles_latest, with the columns of entities.
CREATE VIEW entities_latest AS
SELECT entities.* FROM entities SEMI JOIN articles_latest USING (version_id, run_id);
