use super::*;

fn env(pairs: &[(&str, &str)]) -> impl Iterator<Item = (String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Vec<_>>().into_iter()
}

fn source(settings: &Settings, name: &str) -> Source {
    settings.values[name].1.clone()
}

#[test]
fn file_yields_to_environment_and_environment_to_flags() {
    let mut settings = Settings::defaults();
    assert_eq!(settings.text("kafka"), Some("127.0.0.1:9092"));
    let file = "kafka = \"127.0.0.1:1\"\nhttp = \"127.0.0.1:2\"\ndata-dir = \"/f\"";
    settings.read_toml(file, Path::new("levada.toml")).unwrap();
    settings
        .read_environment(env(&[("LEVADA_HTTP", "127.0.0.1:3"), ("LEVADA_DATA_DIR", "/e"), ("PATH", "x")]))
        .unwrap();
    settings.set("data-dir", "/g", Source::Flag).unwrap();
    assert_eq!(settings.text("kafka"), Some("127.0.0.1:1"));
    assert_eq!(settings.text("http"), Some("127.0.0.1:3"));
    assert_eq!(settings.text("data-dir"), Some("/g"));
    assert_eq!(source(&settings, "kafka"), Source::File("levada.toml".into()));
    assert_eq!(source(&settings, "http"), Source::Environment("LEVADA_HTTP".into()));
    assert_eq!(source(&settings, "data-dir"), Source::Flag);
    assert_eq!(source(&settings, "demo"), Source::Default);
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest_name() {
    let mut settings = Settings::defaults();
    let error = settings.read_toml("data_dir = \"x\"", Path::new("levada.toml")).unwrap_err();
    assert_eq!(error.to_string(), "unknown key `data_dir` in levada.toml; did you mean `data-dir`?");
    let error = settings.read_environment(env(&[("LEVADA_DATADIR", "x")])).unwrap_err();
    assert_eq!(error.to_string(), "unknown key `LEVADA_DATADIR` in the environment; did you mean `data-dir`?");
    let error = settings.set("zookeeper.connect", "x", Source::Flag).unwrap_err();
    assert_eq!(
        error.to_string(),
        "unknown key `zookeeper.connect` in command line; `levada serve --print-config` lists the keys"
    );
}

#[test]
fn variables_of_the_clients_are_no_settings() {
    let mut settings = Settings::defaults();
    settings.read_environment(env(&[("LEVADA_BOOTSTRAP_SERVER", "x:1"), ("LEVADA_LOG", "debug")])).unwrap();
    assert_eq!(settings.render(), Settings::defaults().render());
}

#[test]
fn a_value_of_the_wrong_kind_says_what_to_write() {
    let mut settings = Settings::defaults();
    let error = settings.set("kafka", "9092", Source::Flag).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`kafka` in command line: `9092` is not an address; write HOST:PORT, say `127.0.0.1:9092`"
    );
    let error = settings.read_toml("demo = \"perhaps\"", Path::new("l.toml")).unwrap_err();
    assert_eq!(error.to_string(), "`demo` in l.toml: `perhaps` is neither `true` nor `false`");
    let error = settings.read_toml("kafka = [\"a:1\"]", Path::new("l.toml")).unwrap_err();
    assert_eq!(error.to_string(), "`kafka` in l.toml: a array is not taken here");
    assert!(
        settings
            .read_toml("kafka = ", Path::new("l.toml"))
            .unwrap_err()
            .to_string()
            .starts_with("`l.toml` is not valid TOML")
    );
}

#[test]
fn addresses_take_names_and_both_families() {
    for text in ["localhost:9092", "0.0.0.0:0", "[::1]:9092", "broker.example:1"] {
        assert!(address(text).is_ok(), "{text}");
    }
    for text in ["", ":9092", "localhost", "::1:9092", "localhost:99999", "localhost:"] {
        assert!(address(text).is_err(), "{text}");
    }
}

#[test]
fn kinds_parse_numbers_sizes_and_times() {
    let parse_as = |kind, text| parse(&Key { name: "x", kind, default: "" }, text);
    assert_eq!(parse_as(Kind::Number, "-1"), Ok(Value::Number(-1)));
    assert_eq!(parse_as(Kind::Size, "64MiB"), Ok(Value::Number(64 << 20)));
    assert_eq!(parse_as(Kind::Size, "-1"), Ok(Value::Number(-1)));
    assert_eq!(parse_as(Kind::Milliseconds, "7d"), Ok(Value::Number(604_800_000)));
    assert_eq!(parse_as(Kind::Milliseconds, "250"), Ok(Value::Number(250)));
    assert_eq!(parse_as(Kind::Duration, "10s"), Ok(Value::Duration(Duration::from_secs(10))));
    assert!(parse_as(Kind::Duration, "10").is_err());
    assert!(parse_as(Kind::Text, "").is_err());
}

#[test]
fn the_rendered_settings_read_back_as_themselves() {
    let mut settings = Settings::defaults();
    settings.set("advertise", "broker.example:9092", Source::Flag).unwrap();
    settings.set("data-dir", "a \"quoted\" dir", Source::Flag).unwrap();
    let mut again = Settings::defaults();
    again.read_toml(&settings.render(), Path::new("levada.toml")).unwrap();
    for key in keys() {
        assert_eq!(again.get(key.name), settings.get(key.name), "{}", key.name);
    }
}

#[test]
fn kafka_names_read_with_and_without_quotes() {
    let mut flat = Vec::new();
    flatten("", "\"a.b\" = 1\nc.d.e = 2".parse().unwrap(), &mut flat);
    let names: Vec<&str> = flat.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["a.b", "c.d.e"]);
}

#[test]
fn every_key_has_its_own_variable() {
    let mut variables: Vec<String> = keys().iter().map(Key::variable).collect();
    variables.sort();
    variables.dedup();
    assert_eq!(variables.len(), keys().len());
    assert!(!variables.iter().any(|variable| keys::OTHER_VARIABLES.contains(&variable.as_str())));
}

#[test]
fn kafkas_settings_in_larger_units_are_taken() {
    let mut settings = Settings::defaults();
    settings.set("log.retention.hours", "3", Source::Flag).unwrap();
    assert_eq!(settings.number("log.retention.ms"), 10_800_000);
    settings.set("log.retention.minutes", "-1", Source::Flag).unwrap();
    assert_eq!(settings.number("log.retention.ms"), -1);
    let error = settings.set("log.roll.hours", "long", Source::Flag).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`log.roll.hours` in command line: `long` is not a whole number; `log.roll.ms` takes `7d` and the like"
    );
    assert!(keys::LARGER_UNITS.iter().all(|(_, key, _)| keys().iter().any(|known| known.name == *key)));
}
