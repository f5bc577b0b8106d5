"""The story of schemas for confluent-kafka: its registry client, its serializers for Avro, JSON Schema and Protobuf."""

import json
import os

import confluent_kafka
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from confluent_kafka.schema_registry import (
    Metadata,
    MetadataProperties,
    MetadataTags,
    Rule,
    RuleKind,
    RuleMode,
    RuleParams,
    RuleSet,
    Schema,
    SchemaReference,
    SchemaRegistryClient,
    header_schema_id_serializer,
)
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer, ProtobufSerializer
from confluent_kafka.schema_registry.rule_registry import RuleRegistry
from confluent_kafka.schema_registry.rules.cel.cel_executor import CelExecutor
from confluent_kafka.schema_registry.rules.encryption.encrypt_executor import FieldEncryptionExecutor
from confluent_kafka.schema_registry.rules.encryption.localkms.local_driver import LocalKmsDriver
from confluent_kafka.serialization import MessageField, SerializationContext, SerializationError
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from story import BOOTSTRAP, Story, deadline, expect

REGISTRY = os.environ["REGISTRY"]
RECORDS = 100
RETRIES = {"max.retries": 0}

FIELDS = [{"name": "id", "type": "long"}, {"name": "item", "type": "string"}]
COUNT = {"name": "count", "type": "int", "default": 1}
PRICE = {"name": "price", "type": "double"}

admin = AdminClient({"bootstrap.servers": BOOTSTRAP})


def text(schema):
    """A schema as the registry gives it back: without spaces."""
    return json.dumps(schema, separators=(",", ":"))


def avro(*more, name="Order"):
    return text({"type": "record", "name": name, "namespace": "story", "fields": [*FIELDS, *more]})


def json_schema(item="string"):
    properties = {"id": {"type": "integer"}, "item": {"type": item}}
    draft = "http://json-schema.org/draft-07/schema#"
    return text({"$schema": draft, "title": "Order", "type": "object", "properties": properties})


def proto(item="string"):
    return f'syntax = "proto3";\npackage story;\n\nmessage Order {{\n  int64 id = 1;\n  {item} item = 2;\n}}\n'


ORDER, COUNTED, PRICED = Schema(avro()), Schema(avro(COUNT)), Schema(avro(PRICE))


def orders():
    return [{"id": index, "item": f"item {index} ä"} for index in range(RECORDS)]


def client(url=REGISTRY):
    """A client of its own: nothing in its cache."""
    return SchemaRegistryClient({"url": url, **RETRIES})


def refusal(code, action, *arguments):
    """Fails unless the registry refuses with this code; the status is its first three digits."""
    try:
        action(*arguments)
    except SchemaRegistryError as error:
        got = error.http_status_code, error.error_code
        expect(got == (int(str(code)[:3]), code), f"refused with {got} instead of {code}: {error}")
        return
    raise AssertionError(f"not refused with {code}")


def send(topic, serializer, values):
    """Serializes and sends; answers the serialized bytes."""
    if topic not in admin.list_topics(timeout=10).topics:
        admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(30)
    producer, failures, sent = Producer({"bootstrap.servers": BOOTSTRAP, "linger.ms": 5}), [], []
    for value in values:
        context = SerializationContext(topic, MessageField.VALUE, headers=[])
        sent.append(serializer(value, context))
        report = lambda error, _message: failures.append(error) if error else None  # noqa: E731
        producer.produce(topic, sent[-1], headers=context.headers, on_delivery=report)
    expect(producer.flush(45) == 0 and not failures, f"not acknowledged: {failures[:1]}")
    return sent


def read(topic, deserializer, count=RECORDS):
    consumer = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": "unused", "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, 0, 0)])
    values, check = [], deadline()
    try:
        while len(values) < count:
            for message in consumer.consume(500, 0.5):
                expect(message.error() is None, message.error())
                context = SerializationContext(topic, MessageField.VALUE, headers=message.headers() or [])
                values.append(deserializer(message.value(), context))
            check(f"{count} records, {len(values)} came")
        return values
    finally:
        consumer.close()


def round_trip(topic, serializer, deserializer, values):
    sent = send(topic, serializer, values)
    known = client().get_latest_version(f"{topic}-value").schema_id
    for payload in sent:
        expect(payload[:5] == b"\0" + known.to_bytes(4, "big"), f"a record begins {payload[:5]!r}, the id is {known}")
    got = read(topic, deserializer)
    expect(got == values, f"came back as {got[:2]}…")


def register():
    registry = client()
    first = registry.register_schema("orders", ORDER)
    expect(client().register_schema("orders", ORDER) == first, "the same schema got another id")
    expect(client().register_schema("other-orders", ORDER) == first, "it got another id under another subject")
    second = registry.register_schema("orders", COUNTED)
    expect(second != first, "another schema got the same id")
    versions = registry.get_versions("orders")
    expect(versions == [1, 2], f"the versions are {versions}")
    subjects = registry.get_subjects()
    expect(subjects == ["orders", "other-orders"], f"the subjects are {subjects}")
    expect(set(registry.get_schema_types()) == {"AVRO", "JSON", "PROTOBUF"}, f"{registry.get_schema_types()}")


def look_up():
    registry = client()
    found = registry.lookup_schema("orders", ORDER)
    expect((found.subject, found.version) == ("orders", 1), f"found as {found}")
    expect(registry.get_schema(found.schema_id).schema_str == ORDER.schema_str, "its text changed")
    latest = registry.get_latest_version("orders")
    expect(latest.version == 2 and latest.schema.schema_str == COUNTED.schema_str, f"the latest is {latest}")
    places = {(place.subject, place.version) for place in registry.get_schema_versions(found.schema_id)}
    expect(places == {("orders", 1), ("other-orders", 1)}, f"the id is at {places}")
    refusal(40403, client().lookup_schema, "orders", PRICED)
    refusal(40401, client().lookup_schema, "nobody", ORDER)
    refusal(40401, client().get_latest_version, "nobody")
    refusal(40402, client().get_version, "orders", 7)
    refusal(40403, client().get_schema, 999)
    refusal(42201, client().register_schema, "orders", Schema('{"type": "record"}'))


def avro_records():
    round_trip("avro", AvroSerializer(client(), avro()), AvroDeserializer(client()), orders())


def json_records():
    deserializer = JSONDeserializer(json_schema(), schema_registry_client=client())
    round_trip("json", JSONSerializer(json_schema(), client()), deserializer, orders())
    refused = JSONSerializer(json_schema(), client())
    try:
        refused({"id": "one"}, SerializationContext("json", MessageField.VALUE))
    except SerializationError:
        return
    raise AssertionError("a value that breaks the schema was serialized")


def messages(*fields, package="story", name="Order", dependency=None):
    """The class of a message that is described, not generated."""
    file = descriptor_pb2.FileDescriptorProto(name=f"{name.lower()}.proto", package=package, syntax="proto3")
    message = file.message_type.add(name=name)
    for number, (field, kind) in enumerate(fields, 1):
        described = message.field.add(name=field, number=number, label=1)
        if kind.startswith("."):
            described.type, described.type_name = descriptor_pb2.FieldDescriptorProto.TYPE_MESSAGE, kind
        else:
            described.type = getattr(descriptor_pb2.FieldDescriptorProto, f"TYPE_{kind.upper()}")
    if dependency:
        file.dependency.append(dependency)
    pool = descriptor_pool.Default()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}"))


def protobuf_records():
    message = messages(("id", "int64"), ("item", "string"))
    values = [message(**order) for order in orders()]
    deserializer = ProtobufDeserializer(message, schema_registry_client=client())
    round_trip("protobuf", ProtobufSerializer(message, client()), deserializer, values)
    # The serializer registers a descriptor; people read and register text, and both are one schema.
    found = client().lookup_schema("protobuf-value", Schema(proto(), "PROTOBUF"))
    expect(found.version == 1, f"the text is found as {found}")


def references():
    registry = client()
    registry.register_schema("order", ORDER)
    reference = SchemaReference("story.Order", "order", 1)
    fields = [{"name": "orders", "type": {"type": "array", "items": "story.Order"}}]
    cart = Schema(text({"type": "record", "name": "Cart", "namespace": "story", "fields": fields}), "AVRO", [reference])
    values = [{"orders": orders()[:index]} for index in range(RECORDS)]
    round_trip("cart", AvroSerializer(client(), cart), AvroDeserializer(client()), values)
    known = registry.get_latest_version("cart-value")
    expect(registry.get_referenced_by("order", 1) == [known.schema_id], "the reference is not known")
    refusal(42206, registry.delete_subject, "order")
    inner = messages(("id", "int64"), name="Inner")
    outer = messages(("inner", ".story.Inner"), name="Outer", dependency="inner.proto")
    values = [outer(inner=inner(id=index)) for index in range(RECORDS)]
    serializer = ProtobufSerializer(outer, client())
    round_trip("outer", serializer, ProtobufDeserializer(outer, schema_registry_client=client()), values)
    imported = client().get_latest_version("outer-value").schema.references
    expect([reference.name for reference in imported] == ["inner.proto"], f"its imports are {imported}")


def guid():
    serializer = AvroSerializer(client(), avro(), conf={"schema.id.serializer": header_schema_id_serializer})
    sent = send("guid", serializer, orders())
    expect(sent[0][:1] != b"\0" or len(sent[0]) < 5 or sent[1][0] == 2, "the id is not in the header")
    got = read("guid", AvroDeserializer(client()))
    expect(got == orders(), f"came back as {got[:2]}…")


def forward():
    counted = [{**order, "count": order["id"] % 7} for order in orders()]
    client().set_compatibility("forward-value", "FORWARD")
    client().register_schema("forward-value", ORDER)
    send("forward", AvroSerializer(client(), avro(COUNT)), counted)
    got = read("forward", AvroDeserializer(client(), avro()))
    expect(got == orders(), f"the old reader has {got[:2]}…")


def backward():
    send("backward", AvroSerializer(client(), avro()), orders())
    client().register_schema("backward-value", COUNTED)
    got = read("backward", AvroDeserializer(client(), avro(COUNT)))
    expect(got == [{**order, "count": 1} for order in orders()], f"the new reader has {got[:2]}…")


def refuse():
    registry = client()
    pairs = {
        "refuse-avro": (ORDER, PRICED),
        "refuse-json": (Schema(json_schema(), "JSON"), Schema(json_schema("integer"), "JSON")),
        "refuse-protobuf": (Schema(proto(), "PROTOBUF"), Schema(proto("int64"), "PROTOBUF")),
    }
    for subject, (old, new) in pairs.items():
        registry.register_schema(subject, old)
        expect(registry.test_compatibility(subject, old), f"{subject}: the same schema is called incompatible")
        expect(not registry.test_compatibility(subject, new), f"{subject}: it is called compatible")
        refusal(409, registry.register_schema, subject, new)
        expect(registry.get_versions(subject) == [1], f"{subject}: it is there all the same")
    client().register_schema("refuse-value", ORDER)
    try:
        send("refuse", AvroSerializer(client(), avro(PRICE)), [{"id": 1, "item": "", "price": 1.0}])
    except SchemaRegistryError as error:
        expect(error.http_status_code == 409, f"the serializer was refused with {error}")
        return
    raise AssertionError("the serializer wrote a record whose schema was refused")


def config():
    registry = client()
    expect(registry.get_compatibility() == "BACKWARD", f"the registry's level is {registry.get_compatibility()}")
    registry.register_schema("config", ORDER)
    refusal(40408, registry.get_compatibility, "config")
    expect(registry.set_compatibility("config", "NONE")["compatibility"] == "NONE", "it was not set")
    expect(registry.get_compatibility("config") == "NONE", "it is not got")
    registry.register_schema("config", PRICED)
    registry.delete_config("config")
    refusal(40408, registry.get_compatibility, "config")
    refusal(42203, registry.set_compatibility, "config", "SIDEWAYS")


def mode():
    registry = client()
    expect(registry.get_global_mode() == "READWRITE", f"the registry's mode is {registry.get_global_mode()}")
    refusal(40409, registry.get_mode, "mode")
    registry.update_mode("mode", "READONLY")
    expect(registry.get_mode("mode") == "READONLY", "it was not set")
    refusal(42205, registry.register_schema, "mode", ORDER)
    registry.delete_mode("mode")
    registry.register_schema("mode", ORDER)


def contract():
    kind, expression = (RuleKind.CONDITION, RuleMode.WRITE, "CEL"), "message.id < 10"
    rule = Rule("few", None, *kind, None, None, expression, None, "ERROR", False)
    metadata = Metadata(MetadataTags({"story.Order.item": ["PII"]}), MetadataProperties({"owner": "sales"}), ["owner"])
    sent = Schema(avro(), "AVRO", [], metadata, RuleSet(None, [rule]))
    client().register_schema("contract-value", sent)
    got = client().get_latest_version("contract-value").schema
    expect(got.metadata == metadata, f"the metadata came back as {got.metadata}")
    expect(got.rule_set.domain_rules[0].expr == rule.expr, f"the rules came back as {got.rule_set}")
    found = client().get_latest_with_metadata("contract-value", {"owner": "sales"})
    expect(found.version == 1, "not found by metadata")
    CelExecutor.register()
    chosen = {"auto.register.schemas": False, "use.latest.version": True}
    serializer = AvroSerializer(client(), conf=chosen)
    send("contract", serializer, orders()[:10])
    try:
        send("contract", serializer, orders()[10:11])
    except SerializationError:
        return
    raise AssertionError("a record was written that breaks the rule")


def encrypt():
    LocalKmsDriver.register()
    params = {"encrypt.kek.name": "story", "encrypt.kms.type": "local-kms", "encrypt.kms.key.id": "here"}
    rule = Rule(
        "personal", None, RuleKind.TRANSFORM, RuleMode.WRITEREAD, "ENCRYPT", ["PII"], RuleParams(params), None, None,
        "ERROR,NONE", False,
    )  # fmt: skip
    fields = [FIELDS[0], {**FIELDS[1], "confluent:tags": ["PII"]}]
    personal = text({"type": "record", "name": "Order", "namespace": "story", "fields": fields})
    client().register_schema("encrypt-value", Schema(personal, "AVRO", [], None, RuleSet(None, [rule])))

    def apart():
        """Rules, and the keys that they have seen, of those who share nothing."""
        rules = RuleRegistry()
        rules.register_executor(FieldEncryptionExecutor())
        return rules

    secret, chosen = {"secret": "story"}, {"auto.register.schemas": False, "use.latest.version": True}
    serializer = AvroSerializer(client(), conf=chosen, rule_conf=secret, rule_registry=apart())
    sent = send("encrypt", serializer, orders())
    expect(not any(b"item " in payload for payload in sent), "a record has plain text")
    got = read("encrypt", AvroDeserializer(client(), rule_conf=secret, rule_registry=apart()))
    expect(got == orders(), f"came back as {got[:2]}…")
    blind = read("encrypt", AvroDeserializer(client()))
    expect(not any(order["item"].startswith("item ") for order in blind), "it was read without the rule")


def delete():
    registry = client()
    first, second = registry.register_schema("delete", ORDER), registry.register_schema("delete", COUNTED)
    refusal(40407, registry.delete_version, "delete", 1, True)
    expect(registry.delete_version("delete", 1) == 1, "another version was deleted")
    expect(registry.get_versions("delete") == [2], "the version is still there")
    refusal(40406, registry.delete_version, "delete", 1)
    expect(registry.delete_version("delete", 1, permanent=True) == 1, "another version was deleted for good")
    refusal(40402, client().get_version, "delete", 1, True)
    refusal(40405, registry.delete_subject, "delete", True)
    expect(registry.delete_subject("delete") == [2], "other versions were deleted")
    refusal(40404, registry.delete_subject, "delete")
    expect("delete" not in client().get_subjects(), "the subject is still there")
    expect(client().get_schema(second).schema_str == COUNTED.schema_str, "its records cannot be read any more")
    expect(registry.delete_subject("delete", permanent=True) == [2], "other versions were deleted for good")
    expect(client().get_schema(first).schema_str == ORDER.schema_str, "the id is in use elsewhere and gone")
    refusal(40401, client().get_versions, "delete")


def context():
    elsewhere = client(f"{REGISTRY}/contexts/.elsewhere")
    expect(elsewhere.register_schema("orders", PRICED) == 1, "ids are not the context's own")
    expect(":.elsewhere:orders" in client().get_subjects(), f"the subjects are {client().get_subjects()}")
    expect(client().get_latest_version("orders").version == 2, "it came into the other context")
    expect(client().get_version(":.elsewhere:orders", 1).schema.schema_str == PRICED.schema_str, "it is not there")
    expect(client().get_contexts() == [".", ".elsewhere"], f"the contexts are {client().get_contexts()}")


def restart(tale):
    before = {subject: client().get_latest_version(subject) for subject in client().get_subjects()}
    newest = client().register_schema("restart", Schema(avro(name="First")))
    tale.restart()
    registry = client()
    for subject, known in before.items():
        got = registry.get_latest_version(subject)
        expect(got == known, f"{subject} is now {got}")
    got = read("avro", AvroDeserializer(client()))
    expect(got == orders(), "records from before cannot be read")
    client().set_compatibility("restart", "NONE")
    after = client().register_schema("restart", Schema(avro(name="Second")))
    expect(after > newest, f"the id {after} was given after {newest}")


def main():
    tale = Story("confluent-kafka-registry", confluent_kafka.version())
    for action in (register, look_up):
        tale.step(action.__name__, action)
    for action in (avro_records, json_records, protobuf_records):
        tale.step(action.__name__.removesuffix("_records"), action)
    for action in (references, guid, forward, backward, refuse, config, mode, contract, encrypt, delete, context):
        tale.step(action.__name__, action)
    tale.step("restart", restart, tale)
    tale.end()


if __name__ == "__main__":
    main()
