SELECT
    (SELECT count(*) FROM dim.member) AS members,
    (SELECT count(*) FROM quality.score) AS sources,
    (SELECT coalesce(sum(records), 0) FROM quality.score) AS records,
    (SELECT coalesce(sum(rejected), 0) FROM quality.score) AS rejected,
    (SELECT coalesce(sum(with_issue), 0) FROM quality.score) AS with_issue,
    (SELECT coalesce(sum(fails), 0) FROM quality.score) AS fails,
    (SELECT coalesce(sum(warns), 0) FROM quality.score) AS warns,
    (SELECT coalesce(sum(waived), 0) FROM quality.score) AS waived,
    (SELECT count(*) FROM catalog.bib) AS bibs,
    (SELECT count(*) FROM catalog.holding) AS holdings,
    (SELECT count(*) FROM catalog.item) AS items,
    (SELECT count(*) FROM catalog.loan WHERE event_type = 'loan') AS loans,
    (SELECT sum(members * bibs) / sum(bibs) FROM marts.held_distribution) AS held
