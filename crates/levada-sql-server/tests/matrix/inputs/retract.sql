-- Each row goes when the next version of its id comes, and for good with the one that is gone.
CREATE TABLE input_log (
  id BIGINT NOT NULL, version BIGINT NOT NULL, k BIGINT, g STRING, n BIGINT, d DECIMAL(10, 2), ts TIMESTAMP(3),
  gone BOOLEAN, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'input', 'format' = 'json');
CREATE TABLE other_log (
  id BIGINT NOT NULL, version BIGINT NOT NULL, k BIGINT, g STRING, n BIGINT, d DECIMAL(10, 2), ts TIMESTAMP(3),
  gone BOOLEAN, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'other', 'format' = 'json');
CREATE VIEW input AS
  SELECT id, version, k, g, n, d, ts, gone
  FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY id ORDER BY version DESC) AS place FROM input_log)
  WHERE place = 1 AND NOT gone;
CREATE VIEW other AS
  SELECT id, version, k, g, n, d, ts, gone
  FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY id ORDER BY version DESC) AS place FROM other_log)
  WHERE place = 1 AND NOT gone;
CREATE TABLE rates (
  id BIGINT NOT NULL, version BIGINT NOT NULL, k BIGINT, g STRING, n BIGINT, d DECIMAL(10, 2), ts TIMESTAMP(3),
  gone BOOLEAN, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND, PRIMARY KEY (id) NOT ENFORCED
) WITH ('connector' = 'upsert-kafka', 'topic' = 'rates', 'key.format' = 'json', 'value.format' = 'json');
