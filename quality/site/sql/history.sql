SELECT name AS member_code, strptime(left(build_id, 15), '%Y%m%dT%H%M%S') AS at, score, median
FROM quality.score_history
WHERE scope = 'member' AND score IS NOT NULL
QUALIFY row_number() OVER (PARTITION BY name ORDER BY build_id DESC) <= 24
ORDER BY name, build_id
