//! Queries of every shape that there are operators for.

use super::rig::{compare, compare_windows};

const QUERIES: &[&str] = &[
    "SELECT k, n FROM a WHERE n > 5 AND b",
    "SELECT k + 1 AS x, UPPER(g) AS u, COALESCE(n, 0) * 2 AS y, d * 3 AS z FROM a WHERE g LIKE 'g1%' OR k IS NULL",
    "SELECT CASE WHEN n > 3 THEN 'many' WHEN n IS NULL THEN 'none' ELSE 'few' END AS c, n / 2 AS h FROM a",
    "SELECT COUNT(*) AS c FROM a",
    "SELECT COUNT(*) AS c, COUNT(n) AS cn, SUM(n) AS s, SUM(d) AS sd, SUM(f) AS sf, AVG(n) AS an, AVG(f) AS af FROM a",
    "SELECT g, VAR_POP(f) AS vp, VAR_SAMP(f) AS vs, STDDEV_POP(f) AS sp, STDDEV_SAMP(f) FILTER (WHERE b) AS ss, \
     COUNT(f) AS c FROM a GROUP BY g HAVING VARIANCE(f) > 1",
    "SELECT IF(k > 2, 'many', LEFT(g, 1)) AS l, COUNT(DISTINCT CONCAT(g, '-')) AS c FROM a \
     GROUP BY IF(k > 2, 'many', LEFT(g, 1)) HAVING ROUND(SUM(d), -1) > 20",
    "SELECT a.n, b.g FROM a JOIN b ON MOD(a.k, 2) = b.k AND RIGHT(a.g, 1) = RIGHT(b.g, 1) WHERE FLOOR(a.d) > 3",
    "SELECT n FROM a WHERE GREATEST(n, CAST(k AS BIGINT)) > (SELECT ROUND(AVG(f)) FROM b)",
    "SELECT VAR_SAMP(s) AS v FROM (SELECT k, SUM(f) AS s FROM a GROUP BY k) AS t",
    "SELECT k, COUNT(*) AS c, SUM(k) AS sk, SUM(n) AS s, AVG(k) AS ak, AVG(d) AS ad FROM a GROUP BY k",
    "SELECT k, g, MIN(n) AS lo, MAX(g) AS hi, MIN(f) AS lf, MAX(d) AS hd, MAX(b) AS hb FROM a GROUP BY k, g",
    "SELECT g, COUNT(DISTINCT n) AS c, SUM(DISTINCT n) AS s, COUNT(DISTINCT d) AS e FROM a GROUP BY g",
    "SELECT g, COUNT(DISTINCT 7) AS c, COUNT(DISTINCT 'x') FILTER (WHERE b) AS f, COUNT(7) AS s FROM a GROUP BY g",
    "SELECT g, COUNT(*) FILTER (WHERE b) AS t, SUM(n) FILTER (WHERE n > 2) AS s FROM a GROUP BY g",
    "SELECT g, COUNT(DISTINCT k) FILTER (WHERE b) AS t FROM a GROUP BY g",
    "SELECT k, SUM(n) AS s FROM a GROUP BY k HAVING SUM(n) > 10 AND COUNT(*) < 40",
    "SELECT s, COUNT(*) AS groups, MIN(k) AS k FROM (SELECT k, SUM(n) AS s FROM a GROUP BY k) AS t GROUP BY s",
    "SELECT MAX(c) AS most, MIN(c) AS least FROM (SELECT g, COUNT(*) AS c FROM a GROUP BY g) AS t",
    "SELECT AVG(c) AS c, SUM(s) AS s, COUNT(DISTINCT c) AS d FROM (SELECT k, COUNT(*) AS c, SUM(f) AS s FROM a GROUP BY k) AS t",
    "SELECT DISTINCT k, b FROM a",
    "SELECT k, CAST(k AS BIGINT), COUNT(*), MAX(n) FROM a GROUP BY k, CAST(k AS BIGINT) HAVING COUNT(*) > 1",
    "SELECT `EXPR$1` + 1, COUNT(*) FROM (SELECT k, COUNT(*) FROM a GROUP BY k) AS t GROUP BY `EXPR$1` + 1",
    "SELECT g || '-' || g AS gg, COUNT(*) AS c FROM a WHERE g || 'x' <> 'g1x' GROUP BY g || '-' || g",
    "SELECT REPLACE(g, 'g', CAST(k AS STRING)) AS r, REGEXP_REPLACE(g, '[g-]*', 'x') AS x FROM a",
    "SELECT DISTINCT s FROM (SELECT k, SUM(n) AS s FROM a GROUP BY k) AS t",
    "SELECT k, n FROM a UNION ALL SELECT k, n FROM b",
    "SELECT k FROM a UNION SELECT k FROM b",
    "SELECT k, g FROM a INTERSECT SELECT k, g FROM b",
    "SELECT k, g FROM a EXCEPT SELECT k, g FROM b",
    "SELECT a.k, a.n, b.n AS m FROM a JOIN b ON a.k = b.k AND a.g = b.g",
    "SELECT a.k, b.g FROM a JOIN b ON a.k = b.k AND a.n < b.n",
    "SELECT a.k, b.n FROM a LEFT JOIN b ON a.k = b.k AND a.g = b.g AND b.b",
    "SELECT a.n, b.k, b.n AS m FROM a RIGHT JOIN b ON a.k = b.k AND a.n = b.n",
    "SELECT a.k, a.n, b.k AS bk, b.n AS bn FROM a FULL JOIN b ON a.k = b.k AND a.n = b.n AND a.g <> b.g",
    "SELECT a.k, b.n, c.g FROM a JOIN b ON a.k = b.k AND a.n = b.n LEFT JOIN c ON b.g = c.g AND c.k = a.k",
    "SELECT x.k, y.c FROM a AS x JOIN (SELECT k, COUNT(*) AS c FROM a GROUP BY k) AS y ON x.k = y.k WHERE x.n > 10",
    "SELECT k, SUM(m) AS s FROM (SELECT a.k, b.n AS m FROM a LEFT JOIN b ON a.k = b.k AND a.g = b.g) AS t GROUP BY k",
    "SELECT x.k, x.s, y.s AS t FROM (SELECT k, SUM(n) AS s FROM a GROUP BY k) AS x \
     FULL JOIN (SELECT k, SUM(n) AS s FROM b GROUP BY k) AS y ON x.k = y.k",
    "SELECT a.k FROM a, b WHERE a.n + 1 = b.n AND a.k > b.k",
    "SELECT COUNT(*) AS c FROM (SELECT k FROM a WHERE n = 1) AS x, (SELECT k FROM b WHERE n = 2) AS y",
    "SELECT k, n FROM a WHERE k IN (SELECT k FROM b WHERE n > 8)",
    "SELECT k, n FROM a WHERE EXISTS (SELECT 1 FROM b WHERE b.k = a.k AND b.n > a.n)",
    "SELECT k, n FROM a WHERE NOT EXISTS (SELECT 1 FROM b WHERE b.k = a.k AND b.g = a.g)",
    "SELECT k, n FROM a WHERE n > (SELECT AVG(n) FROM b)",
    "SELECT k, c FROM (SELECT k, COUNT(*) AS c FROM a GROUP BY k) AS t WHERE c > (SELECT COUNT(*) FROM b) / 4",
    "WITH t AS (SELECT k, SUM(n) AS s FROM a GROUP BY k) SELECT x.k, x.s FROM t AS x JOIN t AS y ON x.s = y.s",
    "SELECT g, SUM(c) AS c FROM (SELECT g, COUNT(*) AS c FROM a GROUP BY g UNION ALL SELECT g, -COUNT(*) AS c FROM b GROUP BY g) AS t GROUP BY g",
    "SELECT k, g, n, f, rn FROM (SELECT k, g, n, f, ROW_NUMBER() OVER (PARTITION BY k ORDER BY n DESC, g, f) AS rn \
     FROM a) AS t WHERE rn <= 3",
    "SELECT k, s, rn FROM (SELECT k, s, ROW_NUMBER() OVER (ORDER BY s DESC, k) AS rn \
     FROM (SELECT k, SUM(n) AS s FROM a GROUP BY k) AS u) AS t WHERE rn < 3 AND s > 0",
    "SELECT k, n, g FROM (SELECT k, n, g, ROW_NUMBER() OVER (PARTITION BY k ORDER BY n, g) AS rn FROM a) AS t \
     WHERE rn = 1",
];

#[test]
fn a_stream_comes_to_what_batch_comes_to_at_every_epoch() {
    for (number, sql) in QUERIES.iter().enumerate() {
        for seed in 0..4 {
            compare(sql, 1_000 * u64::try_from(number).unwrap() + seed, 8, 12);
        }
    }
}

const WINDOWS: &[&str] = &[
    "SELECT window_end, window_start, k, COUNT(*) AS c, SUM(n) AS s \
     FROM TABLE(TUMBLE(TABLE a, DESCRIPTOR(ts), INTERVAL '5' SECOND)) WHERE {in time} \
     GROUP BY window_start, window_end, k",
    "SELECT window_end, COUNT(DISTINCT g) AS c, MIN(n) AS lo, MAX(f) AS hi \
     FROM TABLE(TUMBLE(DATA => TABLE a, TIMECOL => DESCRIPTOR(ts), SIZE => INTERVAL '4' SECOND)) WHERE {in time} AND b \
     GROUP BY window_start, window_end",
    "SELECT window_end, g, COUNT(*) AS c \
     FROM TABLE(HOP(TABLE a, DESCRIPTOR(ts), INTERVAL '2' SECOND, INTERVAL '6' SECOND)) WHERE {in time} \
     GROUP BY window_start, window_end, g HAVING COUNT(*) > 1",
    "SELECT window_end, window_start, COUNT(*) AS c, AVG(n) AS m \
     FROM TABLE(CUMULATE(TABLE a, DESCRIPTOR(ts), INTERVAL '2' SECOND, INTERVAL '10' SECOND)) WHERE {in time} \
     GROUP BY window_start, window_end",
    "SELECT window_end, MAX(c) AS most FROM (SELECT window_start, window_end, k, COUNT(*) AS c \
     FROM TABLE(TUMBLE(TABLE a, DESCRIPTOR(ts), INTERVAL '5' SECOND)) WHERE {in time} \
     GROUP BY window_start, window_end, k) AS t GROUP BY window_start, window_end",
    "SELECT window_end, k, c, rn FROM (SELECT window_end, k, c, \
     ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY c DESC, k) AS rn \
     FROM (SELECT window_start, window_end, k, COUNT(*) AS c \
     FROM TABLE(TUMBLE(TABLE a, DESCRIPTOR(ts), INTERVAL '5' SECOND)) WHERE {in time} \
     GROUP BY window_start, window_end, k) AS t) AS u WHERE rn <= 2",
    "SELECT window_end, k, n, g, rn FROM (SELECT window_end, k, n, g, \
     ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY n DESC, g, k) AS rn \
     FROM TABLE(TUMBLE(TABLE a, DESCRIPTOR(ts), INTERVAL '5' SECOND)) WHERE {in time}) AS u WHERE rn <= 2",
];

#[test]
fn windows_come_to_what_batch_comes_to_at_every_epoch() {
    for (number, sql) in WINDOWS.iter().enumerate() {
        let late: u64 = (0..6).map(|seed| compare_windows(sql, 100 * u64::try_from(number).unwrap() + seed, 15)).sum();
        assert!(late > 0, "some rows are late: {sql}");
    }
}

#[test]
fn an_epoch_costs_what_it_changes_and_not_what_there_was_before() {
    for sql in [
        "SELECT k, COUNT(*) AS c, SUM(n) AS s, MAX(d) AS m, COUNT(DISTINCT g) AS g FROM a GROUP BY k",
        "SELECT a.n, b.n AS m FROM a JOIN b ON a.n = b.n",
        "SELECT n, g FROM a WHERE NOT EXISTS (SELECT 1 FROM b WHERE b.n = a.n)",
        "SELECT DISTINCT n, g FROM a",
    ] {
        let (short, long) = (super::rig::touched(sql, 10), super::rig::touched(sql, 100));
        assert!(short > 0, "{sql}: rows are counted");
        assert!(long * 10 <= short * 11, "{sql}: {short} rows touched after 10 batches, {long} after 100");
    }
}
