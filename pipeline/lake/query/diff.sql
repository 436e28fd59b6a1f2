-- Compare two runs, given as the tables a_<table> and b_<table>. Each table diff_<section> is a section of the result, in
-- the order of its rows. Long texts are truncated here to save memory; rows are matched by ids and offsets.

CREATE TEMP TABLE diff_tables AS
SELECT *, b - a AS change FROM (
    SELECT 'fetches' AS "table", (SELECT count(*) FROM a_fetches) AS a, (SELECT count(*) FROM b_fetches) AS b
    UNION ALL SELECT 'articles', (SELECT count(*) FROM a_articles), (SELECT count(*) FROM b_articles)
    UNION ALL SELECT 'entities', (SELECT count(*) FROM a_entities), (SELECT count(*) FROM b_entities)
    UNION ALL SELECT 'quotes', (SELECT count(*) FROM a_quotes), (SELECT count(*) FROM b_quotes)
    UNION ALL SELECT 'stories', (SELECT count(*) FROM a_stories), (SELECT count(*) FROM b_stories)
    UNION ALL SELECT 'failures', (SELECT count(*) FROM a_failures), (SELECT count(*) FROM b_failures)
);

CREATE TEMP TABLE diff_outcomes AS
SELECT outcome, reason, coalesce(n.a, 0) AS a, coalesce(m.b, 0) AS b, b - a AS change
FROM (SELECT outcome, coalesce(reason, '') AS reason, count(*) AS a FROM a_fetches GROUP BY ALL) n
FULL JOIN (SELECT outcome, coalesce(reason, '') AS reason, count(*) AS b FROM b_fetches GROUP BY ALL) m
USING (outcome, reason)
ORDER BY outcome <> 'ok', outcome, greatest(a, b) DESC, reason;

CREATE TEMP TABLE diff_failures AS
SELECT stage, reason, coalesce(n.a, 0) AS a, coalesce(m.b, 0) AS b, b - a AS change
FROM (SELECT stage, reason, count(*) AS a FROM a_failures GROUP BY ALL) n
FULL JOIN (SELECT stage, reason, count(*) AS b FROM b_failures GROUP BY ALL) m
USING (stage, reason)
ORDER BY abs(change) DESC, stage, reason;

CREATE TEMP TABLE url_outcomes AS
SELECT
    article_id,
    coalesce(b.url, a.url) AS url,
    CASE WHEN a.url IS NULL THEN 'not in it' ELSE concat_ws(' / ', a.outcome, a.reason) END AS a,
    CASE WHEN b.url IS NULL THEN 'not in it' ELSE concat_ws(' / ', b.outcome, b.reason) END AS b
FROM (SELECT article_id, url, outcome, reason FROM a_fetches) a
FULL JOIN (SELECT article_id, url, outcome, reason FROM b_fetches) b USING (article_id);

CREATE TEMP TABLE diff_urls AS
SELECT a, b, count(*) AS urls, min(url) AS example FROM url_outcomes
WHERE a <> b GROUP BY a, b ORDER BY urls DESC, a, b;

-- One version per page, since an archive can contain a page twice.
CREATE TEMP MACRO pages_of(articles) AS TABLE
SELECT article_id, url, version_id, text_hash, left(title, 160) AS title,
    left(list_aggregate(authors, 'string_agg', '; '), 160) AS authors, published_at::VARCHAR AS published_at, language,
    left(site_name, 160) AS site_name
FROM query_table(articles)
QUALIFY row_number() OVER (PARTITION BY article_id ORDER BY fetched_at DESC, version_id) = 1;

CREATE TEMP TABLE a_pages AS FROM pages_of('a_articles');
CREATE TEMP TABLE b_pages AS FROM pages_of('b_articles');

CREATE TEMP TABLE diff_articles AS
SELECT
    CASE WHEN b.url IS NULL THEN 'only in A' ELSE 'only in B' END AS change,
    coalesce(a.url, b.url) AS url,
    coalesce(a.title, b.title) AS title,
    CASE WHEN b.url IS NULL THEN url_outcomes.b ELSE url_outcomes.a END AS in_the_other
FROM a_pages a FULL JOIN b_pages b USING (article_id) LEFT JOIN url_outcomes USING (article_id)
WHERE a.url IS NULL OR b.url IS NULL
ORDER BY row_number() OVER (PARTITION BY change ORDER BY a.url, b.url), change;

CREATE TEMP TABLE pages AS
SELECT article_id, b.url, a.version_id AS a_version, b.version_id AS b_version, a.text_hash <> b.text_hash AS is_changed
FROM a_pages a JOIN b_pages b USING (article_id);

CREATE TEMP TABLE diff_texts AS
WITH lines AS (
    SELECT pages.url,
        list_filter(string_split(a.text, chr(10)), lambda line: line <> '') AS a_lines,
        list_filter(string_split(b.text, chr(10)), lambda line: line <> '') AS b_lines,
        list_distinct(string_split_regex(lower(a.text), '\s+')) AS a_words,
        list_distinct(string_split_regex(lower(b.text), '\s+')) AS b_words
    FROM pages
    JOIN a_articles a ON a.version_id = pages.a_version
    JOIN b_articles b ON b.version_id = pages.b_version
    WHERE pages.is_changed
),
changed AS (
    SELECT url,
        2.0 * len(list_intersect(a_words, b_words)) / (len(a_words) + len(b_words)) AS likeness,
        list_filter(a_lines, lambda line: NOT list_contains(b_lines, line)) AS gone,
        list_filter(b_lines, lambda line: NOT list_contains(a_lines, line)) AS new
    FROM lines
)
SELECT url, round(likeness, 3) AS likeness,
    coalesce(list_sum(list_transform(gone, lambda line: length(line))), 0)::BIGINT AS characters_gone,
    coalesce(list_sum(list_transform(new, lambda line: length(line))), 0)::BIGINT AS characters_new,
    left(gone[1], 160) AS first_line_gone,
    left(new[1], 160) AS first_line_new
FROM changed ORDER BY likeness, url;

CREATE TEMP TABLE diff_metadata AS
SELECT field, pair.a, pair.b, url FROM (
    UNPIVOT (
        SELECT b.url,
            {'a': a.title, 'b': b.title} AS title,
            {'a': a.authors, 'b': b.authors} AS authors,
            {'a': a.published_at, 'b': b.published_at} AS published_at,
            {'a': a.language, 'b': b.language} AS language,
            {'a': a.site_name, 'b': b.site_name} AS site_name
        FROM a_pages a JOIN b_pages b USING (article_id)
    ) ON title, authors, published_at, language, site_name INTO NAME field VALUE pair
)
WHERE pair.a IS DISTINCT FROM pair.b
ORDER BY row_number() OVER (PARTITION BY field ORDER BY url), field;

CREATE TEMP TABLE diff_fields AS
SELECT field, count(*) AS pages, count(*) FILTER (b IS NULL) AS only_in_a, count(*) FILTER (a IS NULL) AS only_in_b
FROM diff_metadata GROUP BY field ORDER BY pages DESC, field;

-- Quotes of pages in both runs.
CREATE TEMP MACRO quotes_of(quotes, versions) AS TABLE
SELECT article_id, version_id, quote_id, utterance_id, ordinal, kind, cue, speaker_name,
    left(text, 160) AS text, list_min(list_transform(spans, lambda span: span.start)) AS first,
    list_max(list_transform(spans, lambda span: span."end")) AS last,
    row_number() OVER (PARTITION BY article_id, utterance_id ORDER BY ordinal) AS nth
FROM query_table(quotes) WHERE version_id IN (FROM query_table(versions));

CREATE TEMP TABLE a_versions AS SELECT a_version FROM pages;
CREATE TEMP TABLE b_versions AS SELECT b_version FROM pages;
CREATE TEMP TABLE a_page_quotes AS FROM quotes_of('a_quotes', 'a_versions');
CREATE TEMP TABLE b_page_quotes AS FROM quotes_of('b_quotes', 'b_versions');

-- Quotes with the same words on the same page match.
CREATE TEMP TABLE matches AS
SELECT a.quote_id AS a_id, b.quote_id AS b_id FROM a_page_quotes a JOIN b_page_quotes b USING (article_id, utterance_id, nth);

-- Other quotes of the same text match if they overlap and neither overlaps another quote more.
INSERT INTO matches
SELECT a.quote_id, b.quote_id
FROM a_page_quotes a JOIN b_page_quotes b ON a.version_id = b.version_id AND a.first < b.last AND b.first < a.last
WHERE a.quote_id NOT IN (SELECT a_id FROM matches) AND b.quote_id NOT IN (SELECT b_id FROM matches)
QUALIFY row_number() OVER (
    PARTITION BY a.quote_id ORDER BY least(a.last, b.last) - greatest(a.first, b.first) DESC, b.ordinal
) = 1 AND row_number() OVER (
    PARTITION BY b.quote_id ORDER BY least(a.last, b.last) - greatest(a.first, b.first) DESC, a.ordinal
) = 1;

CREATE TEMP TABLE quote_pairs AS
SELECT
    coalesce(b.article_id, a.article_id) AS article_id, a.kind AS a_kind, b.kind AS b_kind, a.speaker_name AS a_speaker,
    b.speaker_name AS b_speaker, a.text AS a_text, b.text AS b_text, coalesce(b.ordinal, a.ordinal) AS ordinal,
    CASE
        WHEN b.quote_id IS NULL THEN ['only in A']
        WHEN a.quote_id IS NULL THEN ['only in B']
        ELSE list_filter([
            CASE WHEN a.utterance_id <> b.utterance_id THEN 'words' END,
            CASE WHEN a.kind <> b.kind THEN 'kind' END,
            CASE WHEN a.cue IS DISTINCT FROM b.cue THEN 'cue' END,
            CASE
                WHEN a.speaker_name IS NOT DISTINCT FROM b.speaker_name THEN NULL
                WHEN a.speaker_name IS NULL THEN 'speaker found'
                WHEN b.speaker_name IS NULL THEN 'speaker lost'
                ELSE 'other speaker'
            END
        ], lambda change: change IS NOT NULL)
    END AS changes
FROM (FROM a_page_quotes LEFT JOIN matches ON quote_id = a_id) a
FULL JOIN b_page_quotes b ON a.b_id = b.quote_id;

CREATE TEMP TABLE diff_quotes AS
SELECT change, count(*) AS quotes
FROM (SELECT unnest(CASE WHEN changes = [] THEN ['the same'] ELSE changes END) AS change FROM quote_pairs)
GROUP BY change ORDER BY change <> 'the same', quotes DESC, change;

CREATE TEMP TABLE diff_speakers AS
SELECT a_speaker AS a, b_speaker AS b, count(*) AS quotes, min(b_text) AS example
FROM quote_pairs
WHERE a_kind IS NOT NULL AND b_kind IS NOT NULL AND a_speaker IS DISTINCT FROM b_speaker
GROUP BY a_speaker, b_speaker ORDER BY quotes DESC, a NULLS LAST, b NULLS LAST;

CREATE TEMP TABLE diff_changed_quotes AS
SELECT array_to_string(changes, ', ') AS change, a_kind, b_kind, a_speaker, b_speaker, a_text,
    nullif(b_text, a_text) AS b_text, url
FROM quote_pairs JOIN pages USING (article_id)
WHERE changes <> []
ORDER BY row_number() OVER (PARTITION BY changes ORDER BY url, ordinal), change;

-- Names on pages in both runs.
CREATE TEMP MACRO names_of(entities, versions) AS TABLE
SELECT article_id, name, min(type) AS type, min(kb_id) AS kb_id FROM query_table(entities)
WHERE version_id IN (FROM query_table(versions)) GROUP BY article_id, name;

CREATE TEMP TABLE diff_entities AS
SELECT name, change, a, b, count(*) AS pages, min(url) AS example
FROM (
    SELECT name, article_id,
        CASE WHEN b.type IS NULL THEN 'only in A' WHEN a.type IS NULL THEN 'only in B'
            WHEN a.type <> b.type THEN 'type' WHEN a.kb_id IS DISTINCT FROM b.kb_id THEN 'kb_id' END AS change,
        CASE change WHEN 'kb_id' THEN a.kb_id ELSE a.type END AS a,
        CASE change WHEN 'kb_id' THEN b.kb_id ELSE b.type END AS b
    FROM names_of('a_entities', 'a_versions') a FULL JOIN names_of('b_entities', 'b_versions') b
    USING (article_id, name)
    WHERE change IS NOT NULL
) JOIN pages USING (article_id)
GROUP BY name, change, a, b ORDER BY pages DESC, change, name;
