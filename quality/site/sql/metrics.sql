SELECT source_id, member_code, format, metric, element, metric.records, value, label_zh, label_en
FROM quality.metric LEFT JOIN quality.score USING (source_id)
ORDER BY format, list_position(
    ['thompson-traill', 'shelf-ready', 'serial', 'coverage', 'user-tasks', 'sharing'], metric
), metric, element <> '', element, source_id
