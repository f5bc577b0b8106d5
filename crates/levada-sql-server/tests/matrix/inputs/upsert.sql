-- A row takes the place of the one before with its key, and a key ends.
CREATE TABLE input (
  id BIGINT NOT NULL, version BIGINT NOT NULL, k BIGINT, g STRING, n BIGINT, d DECIMAL(10, 2), ts TIMESTAMP(3),
  gone BOOLEAN, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND, PRIMARY KEY (id) NOT ENFORCED
) WITH ('connector' = 'upsert-kafka', 'topic' = 'input_keyed', 'key.format' = 'json', 'value.format' = 'json');
CREATE TABLE other (
  id BIGINT NOT NULL, version BIGINT NOT NULL, k BIGINT, g STRING, n BIGINT, d DECIMAL(10, 2), ts TIMESTAMP(3),
  gone BOOLEAN, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND, PRIMARY KEY (id) NOT ENFORCED
) WITH ('connector' = 'upsert-kafka', 'topic' = 'other_keyed', 'key.format' = 'json', 'value.format' = 'json');
CREATE TABLE rates (
  id BIGINT NOT NULL, version BIGINT NOT NULL, k BIGINT, g STRING, n BIGINT, d DECIMAL(10, 2), ts TIMESTAMP(3),
  gone BOOLEAN, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND, PRIMARY KEY (id) NOT ENFORCED
) WITH ('connector' = 'upsert-kafka', 'topic' = 'rates', 'key.format' = 'json', 'value.format' = 'json');
