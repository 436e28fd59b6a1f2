-- quotation and is_speech do the same as as_shown and is_speech of transforms/text/quotations.py.
CREATE MACRO quotation(content, kind) AS CASE WHEN kind = 'direct' THEN '“' || content || '”' ELSE content END;
CREATE MACRO is_speech(kind, cue_class) AS
  kind = 'direct' OR coalesce(cue_class IN ('said', 'wrote', 'asked', 'according_to'), true);
CREATE MACRO shortened(content, most) AS
  CASE WHEN length(content) > most THEN rtrim(left(content, most - 2)) || ' …' ELSE content END;
