-- pairs beyond those that a build describes are described by their bibs
WITH described AS (
    SELECT bib_id, [
        {'name': 'title', 'value': title}, {'name': 'subtitle', 'value': subtitle},
        {'name': 'volume_no', 'value': volume_no}, {'name': 'resp_first', 'value': resp_first},
        {'name': 'edition', 'value': edition}, {'name': 'publisher', 'value': publisher},
        {'name': 'pub_year', 'value': CAST(pub_year AS VARCHAR)}, {'name': 'extent', 'value': extent},
        {'name': 'isbn', 'value': array_to_string(isbn, '; ')}
    ] AS shown
    FROM catalog.bib
    WHERE bib_id IN (SELECT unnest([left_bib_id, right_bib_id]) FROM catalog.review WHERE fields IS NULL)
)
SELECT review.*, one.shown AS left_shown, other.shown AS right_shown, count(*) OVER () AS waiting
FROM catalog.review
LEFT JOIN described AS one ON one.bib_id = left_bib_id
LEFT JOIN described AS other ON other.bib_id = right_bib_id
ORDER BY usefulness DESC, left_source_id, left_record_id, right_source_id, right_record_id
LIMIT 20000
