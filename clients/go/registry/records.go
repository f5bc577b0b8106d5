package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"time"

	"github.com/twmb/avro"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

const limit = 60 * time.Second

// Order is what the records hold.
type Order struct {
	ID   int64  `avro:"id" json:"id"`
	Item string `avro:"item" json:"item"`
}

// Counted is an order of those who know the field that came later.
type Counted struct {
	ID    int64  `avro:"id"`
	Item  string `avro:"item"`
	Count int32  `avro:"count"`
}

const (
	fields   = `{"name":"id","type":"long"},{"name":"item","type":"string"}`
	cartText = `{"type":"record","name":"Cart","namespace":"story","fields":[` +
		`{"name":"orders","type":{"type":"array","items":"story.Order"}}]}`
)

var (
	order   = avroSchema("Order")
	counted = avroSchema("Order", `{"name":"count","type":"int","default":1}`)
	priced  = avroSchema("Order", `{"name":"price","type":"double"}`)
)

func avroSchema(name string, more ...string) sr.Schema {
	all := fields
	for _, field := range more {
		all += "," + field
	}
	return sr.Schema{Schema: fmt.Sprintf(`{"type":"record","name":%q,"namespace":"story","fields":[%s]}`, name, all)}
}

func jsonSchema(item string) sr.Schema {
	return sr.Schema{Type: sr.TypeJSON, Schema: fmt.Sprintf(
		`{"$schema":"http://json-schema.org/draft-07/schema#","title":"Order","type":"object",`+
			`"properties":{"id":{"type":"integer"},"item":{"type":%q}}}`, item)}
}

func protobufSchema(item string) sr.Schema {
	return sr.Schema{Type: sr.TypeProtobuf, Schema: fmt.Sprintf(
		"syntax = \"proto3\";\npackage story;\n\nmessage Order {\n  int64 id = 1;\n  %s item = 2;\n}\n", item)}
}

func orders() []any {
	made := make([]any, recordCount)
	for index := range made {
		made[index] = Order{int64(index), fmt.Sprintf("item %d ä", index)}
	}
	return made
}

// parses fails unless text is an Avro schema that refers to nothing outside.
func parses(text string) error {
	_, err := avro.Parse(text)
	return err
}

// avroCoder is a Serde of one type under one id: values written with writer, read by those who know reader.
func avroCoder(id int, of any, writer, reader sr.Schema) (*sr.Serde, error) {
	written, err := avro.Parse(writer.Schema)
	if err != nil {
		return nil, err
	}
	known, err := avro.Parse(reader.Schema)
	if err != nil {
		return nil, err
	}
	resolved, err := avro.Resolve(written, known)
	if err != nil {
		return nil, err
	}
	serde := sr.NewSerde()
	serde.Register(id, of,
		sr.EncodeFn(func(value any) ([]byte, error) { return written.Encode(value) }),
		sr.DecodeFn(func(from []byte, into any) error { return last(resolved.Decode(from, into)) }),
	)
	return serde, nil
}

// send registers the schema for the topic's values and writes them behind its id.
func (s *steps) send(topic string, schema sr.Schema, values []any, coder func(id int) (*sr.Serde, error)) error {
	registered, err := s.client.CreateSchema(s.ctx, topic+"-value", schema)
	if err != nil {
		return err
	}
	serde, err := coder(registered.ID)
	if err != nil {
		return err
	}
	kafka, err := kgo.NewClient(kgo.SeedBrokers(os.Getenv("BOOTSTRAP")), kgo.UnknownTopicRetries(20))
	if err != nil {
		return err
	}
	defer kafka.Close()
	ctx, cancel := context.WithTimeout(s.ctx, limit)
	defer cancel()
	if _, err := kadm.NewClient(kafka).CreateTopic(ctx, 1, 1, nil, topic); err != nil {
		return err
	}
	records := make([]*kgo.Record, len(values))
	for index, value := range values {
		encoded, err := serde.Encode(value)
		if err != nil {
			return err
		}
		if id := binary.BigEndian.Uint32(encoded[1:5]); encoded[0] != 0 || int(id) != registered.ID {
			return fmt.Errorf("a record begins with %v, the id is %d", encoded[:5], registered.ID)
		}
		records[index] = &kgo.Record{Topic: topic, Value: encoded}
	}
	return kafka.ProduceSync(ctx, records...).FirstErr()
}

// finder is a Serde for what was written with a schema, found by the id that the records begin with.
type finder func(id int, written sr.Schema) (*sr.Serde, error)

// receive reads a topic from its beginning.
func (s *steps) receive(topic string, count int, coder finder) ([]any, error) {
	start := map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}
	kafka, err := kgo.NewClient(kgo.SeedBrokers(os.Getenv("BOOTSTRAP")), kgo.ConsumePartitions(start))
	if err != nil {
		return nil, err
	}
	defer kafka.Close()
	ctx, cancel := context.WithTimeout(s.ctx, limit)
	defer cancel()
	serdes := map[int]*sr.Serde{}
	var values []any
	for len(values) < count {
		fetches := kafka.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return nil, err
		}
		for _, record := range fetches.Records() {
			id, _, err := new(sr.ConfluentHeader).DecodeID(record.Value)
			if err != nil {
				return nil, err
			}
			if serdes[id] == nil {
				written, err := s.client.SchemaByID(s.ctx, id)
				if err != nil {
					return nil, err
				}
				if serdes[id], err = coder(id, written); err != nil {
					return nil, err
				}
			}
			value, err := serdes[id].DecodeNew(record.Value)
			if err != nil {
				return nil, err
			}
			values = append(values, reflect.ValueOf(value).Elem().Interface())
		}
	}
	return values, nil
}

func same(sent, got []any) error {
	for index := range sent {
		if index >= len(got) || !reflect.DeepEqual(sent[index], got[index]) {
			return fmt.Errorf("of %d records, %d came, and record %d is another", len(sent), len(got), index)
		}
	}
	return nil
}

// through writes orders with one schema and has them read by those who know another.
func (s *steps) through(topic string, written, known sr.Schema, sent []any, of any, expected []any) error {
	writing := func(id int) (*sr.Serde, error) { return avroCoder(id, sent[0], written, written) }
	if err := s.send(topic, written, sent, writing); err != nil {
		return err
	}
	reading := func(id int, written sr.Schema) (*sr.Serde, error) { return avroCoder(id, of, written, known) }
	got, err := s.receive(topic, len(sent), reading)
	if err != nil {
		return err
	}
	return same(expected, got)
}

func (s *steps) avro() error { return s.through("avro", order, order, orders(), Order{}, orders()) }

// readBack reads again what the step avro wrote.
func (s *steps) readBack(topic string) error {
	got, err := s.receive(topic, recordCount, func(id int, written sr.Schema) (*sr.Serde, error) {
		return avroCoder(id, Order{}, written, order)
	})
	if err != nil {
		return err
	}
	return same(orders(), got)
}

func (s *steps) forward() error {
	set := s.client.SetCompatibility(s.ctx, sr.SetCompatibility{Level: sr.CompatForward}, "forward-value")[0]
	if set.Err != nil {
		return set.Err
	}
	if _, err := s.client.CreateSchema(s.ctx, "forward-value", order); err != nil {
		return err
	}
	var sent []any
	for _, value := range orders() {
		plain := value.(Order)
		sent = append(sent, Counted{plain.ID, plain.Item, 7})
	}
	return s.through("forward", counted, order, sent, Order{}, orders())
}

func (s *steps) backward() error {
	var expected []any
	for _, value := range orders() {
		plain := value.(Order)
		expected = append(expected, Counted{plain.ID, plain.Item, 1})
	}
	if err := s.through("backward", order, counted, orders(), Counted{}, expected); err != nil {
		return err
	}
	return last(s.client.CreateSchema(s.ctx, "backward-value", counted))
}

func (s *steps) json() error {
	coder := func(id int) (*sr.Serde, error) {
		serde := sr.NewSerde()
		serde.Register(id, Order{}, sr.EncodeFn(json.Marshal), sr.DecodeFn(json.Unmarshal))
		return serde, nil
	}
	if err := s.send("json", jsonSchema("string"), orders(), coder); err != nil {
		return err
	}
	got, err := s.receive("json", recordCount, func(id int, written sr.Schema) (*sr.Serde, error) {
		if err := expect(written.Type == sr.TypeJSON, "its type is %v", written.Type); err != nil {
			return nil, err
		}
		return coder(id)
	})
	if err != nil {
		return err
	}
	return same(orders(), got)
}

// orderMessage describes the message of protobufSchema.
func orderMessage() (protoreflect.MessageDescriptor, error) {
	type fieldProto = descriptorpb.FieldDescriptorProto
	field := func(name string, number int32, kind descriptorpb.FieldDescriptorProto_Type) *fieldProto {
		label := descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL
		return &fieldProto{Name: &name, Number: &number, Type: &kind, Label: &label}
	}
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: proto.String("order.proto"), Package: proto.String("story"), Syntax: proto.String("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{{Name: proto.String("Order"), Field: []*fieldProto{
			field("id", 1, descriptorpb.FieldDescriptorProto_TYPE_INT64),
			field("item", 2, descriptorpb.FieldDescriptorProto_TYPE_STRING),
		}}},
	}, nil)
	if err != nil {
		return nil, err
	}
	return file.Messages().Get(0), nil
}

func (s *steps) protobuf() error {
	message, err := orderMessage()
	if err != nil {
		return err
	}
	id, item := message.Fields().ByName("id"), message.Fields().ByName("item")
	coder := func(known int) (*sr.Serde, error) {
		serde := sr.NewSerde()
		serde.Register(known, Order{}, sr.Index(0),
			sr.EncodeFn(func(value any) ([]byte, error) {
				made := dynamicpb.NewMessage(message)
				made.Set(id, protoreflect.ValueOfInt64(value.(Order).ID))
				made.Set(item, protoreflect.ValueOfString(value.(Order).Item))
				return proto.Marshal(made)
			}),
			sr.DecodeFn(func(from []byte, into any) error {
				got := dynamicpb.NewMessage(message)
				err := proto.Unmarshal(from, got)
				*into.(*Order) = Order{got.Get(id).Int(), got.Get(item).String()}
				return err
			}),
		)
		return serde, nil
	}
	if err := s.send("protobuf", protobufSchema("string"), orders(), coder); err != nil {
		return err
	}
	got, err := s.receive("protobuf", recordCount, func(id int, _ sr.Schema) (*sr.Serde, error) { return coder(id) })
	if err != nil {
		return err
	}
	return same(orders(), got)
}
