-- Rows only come.
CREATE TABLE input (
  id BIGINT NOT NULL, version BIGINT NOT NULL, k BIGINT, g STRING, n BIGINT, d DECIMAL(10, 2), ts TIMESTAMP(3),
  gone BOOLEAN, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'input', 'format' = 'json');
CREATE TABLE other (
  id BIGINT NOT NULL, version BIGINT NOT NULL, k BIGINT, g STRING, n BIGINT, d DECIMAL(10, 2), ts TIMESTAMP(3),
  gone BOOLEAN, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'other', 'format' = 'json');
CREATE TABLE rates (
  id BIGINT NOT NULL, version BIGINT NOT NULL, k BIGINT, g STRING, n BIGINT, d DECIMAL(10, 2), ts TIMESTAMP(3),
  gone BOOLEAN, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND, PRIMARY KEY (id) NOT ENFORCED
) WITH ('connector' = 'upsert-kafka', 'topic' = 'rates', 'key.format' = 'json', 'value.format' = 'json');
