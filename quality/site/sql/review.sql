SELECT *, count(*) OVER () AS waiting FROM catalog.review
ORDER BY usefulness DESC, left_source_id, left_record_id, right_source_id, right_record_id
LIMIT 200
