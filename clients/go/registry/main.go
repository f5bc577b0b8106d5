// Command registry tells the story of schemas for franz-go's client of the schema registry, pkg/sr. It encodes nothing
// itself: Avro is its author's, JSON and Protobuf are Go's.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"

	"github.com/twmb/franz-go/pkg/sr"

	"levada.clients/story"
)

const recordCount = 100

func main() {
	story.Tell("franz-go-sr", "github.com/twmb/franz-go/pkg/sr", func(teller *story.Teller) {
		s := &steps{ctx: context.Background(), client: client()}
		teller.Step("register", s.register)
		teller.Step("look_up", s.lookUp)
		teller.Step("avro", s.avro)
		teller.Step("json", s.json)
		teller.Step("protobuf", s.protobuf)
		teller.Step("references", s.references)
		teller.Step("guid", s.guid)
		teller.Step("forward", s.forward)
		teller.Step("backward", s.backward)
		teller.Step("refuse", s.refuse)
		teller.Step("config", s.config)
		teller.Step("mode", s.mode)
		teller.Step("contract", s.contract)
		teller.Step("encrypt", func() error { return fmt.Errorf("%w: it has no rules", story.ErrNotApplicable) })
		teller.Step("delete", s.delete)
		teller.Step("context", s.context)
		teller.Step("restart", func() error { return s.restart(teller.Restart) })
	})
}

func client() *sr.Client {
	client, err := sr.NewClient(sr.URLs(os.Getenv("REGISTRY")))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	return client
}

type steps struct {
	ctx    context.Context
	client *sr.Client
}

// refused fails unless err is the registry's refusal with this code and its status.
func refused(code int, err error) error {
	var refusal *sr.ResponseError
	if !errors.As(err, &refusal) {
		return fmt.Errorf("not refused with %d: %v", code, err)
	}
	status := code
	if code > 999 {
		status = code / 100
	}
	if refusal.ErrorCode != code || refusal.StatusCode != status {
		return fmt.Errorf("refused with %d, status %d, instead of %d: %w", refusal.ErrorCode, refusal.StatusCode, code, err)
	}
	return nil
}

func expect(condition bool, format string, arguments ...any) error {
	if condition {
		return nil
	}
	return fmt.Errorf(format, arguments...)
}

// last is the error among those of one call, and expect's.
func last[T any](_ T, err error) error { return err }

func (s *steps) register() error {
	first, err := s.client.CreateSchema(s.ctx, "orders", order)
	if err != nil {
		return err
	}
	again, err := s.client.RegisterSchema(s.ctx, "orders", order, -1, -1)
	if err != nil {
		return err
	}
	elsewhere, err := s.client.CreateSchema(s.ctx, "other-orders", order)
	if err != nil {
		return err
	}
	second, err := s.client.CreateSchema(s.ctx, "orders", counted)
	if err != nil {
		return err
	}
	versions, err := s.client.SubjectVersions(s.ctx, "orders")
	if err != nil {
		return err
	}
	subjects, err := s.client.Subjects(s.ctx)
	return errors.Join(
		err,
		expect(again == first.ID, "the same schema got the id %d instead of %d", again, first.ID),
		expect(elsewhere.ID == first.ID, "it got the id %d under another subject", elsewhere.ID),
		expect(second.ID != first.ID && second.Version == 2, "another schema is %d, version %d", second.ID, second.Version),
		expect(slices.Equal(versions, []int{1, 2}), "the versions are %v", versions),
		expect(slices.Equal(subjects, []string{"orders", "other-orders"}), "the subjects are %v", subjects),
	)
}

func (s *steps) lookUp() error {
	found, err := s.client.LookupSchema(s.ctx, "orders", order)
	if err != nil {
		return err
	}
	text, err := s.client.SchemaTextByID(s.ctx, found.ID)
	if err != nil {
		return err
	}
	latest, err := s.client.SchemaByVersion(s.ctx, "orders", -1)
	if err != nil {
		return err
	}
	places, err := s.client.SchemaUsagesByID(s.ctx, found.ID)
	return errors.Join(
		err,
		expect(found.Subject == "orders" && found.Version == 1, "found as %v", found),
		expect(text == order.Schema, "its text changed: %s", text),
		expect(latest.Version == 2 && latest.Schema.Schema == counted.Schema, "the latest is %v", latest),
		expect(len(places) == 2, "it is at %v", places),
		refused(40403, last(s.client.LookupSchema(s.ctx, "orders", priced))),
		refused(40401, last(s.client.LookupSchema(s.ctx, "nobody", order))),
		refused(40401, last(s.client.SchemaByVersion(s.ctx, "nobody", -1))),
		refused(40402, last(s.client.SchemaByVersion(s.ctx, "orders", 7))),
		refused(40403, last(s.client.SchemaByID(s.ctx, 999))),
		refused(42201, last(s.client.CreateSchema(s.ctx, "orders", sr.Schema{Schema: `{"type": "record"}`}))),
	)
}

func (s *steps) references() error {
	if _, err := s.client.CreateSchema(s.ctx, "order", order); err != nil {
		return err
	}
	reference := sr.SchemaReference{Name: "story.Order", Subject: "order", Version: 1}
	referring := sr.Schema{Schema: cartText, References: []sr.SchemaReference{reference}}
	cart, err := s.client.CreateSchema(s.ctx, "cart", referring)
	if err != nil {
		return err
	}
	users, err := s.client.SchemaReferences(s.ctx, "order", 1)
	if err != nil {
		return err
	}
	resolved, err := s.client.SchemaByVersion(sr.WithParams(s.ctx, sr.Format("resolved")), "cart", 1)
	if err != nil {
		return err
	}
	return errors.Join(
		expect(len(users) == 1 && users[0].ID == cart.ID, "it is referred to by %v", users),
		expect(slices.Equal(cart.References, []sr.SchemaReference{reference}), "the references are %v", cart.References),
		refused(42206, last(s.client.DeleteSubject(s.ctx, "order", sr.SoftDelete))),
		parses(resolved.Schema.Schema),
	)
}

func (s *steps) guid() error {
	registered, err := s.client.CreateSchema(s.ctx, "orders", order)
	if err != nil {
		return err
	}
	found, err := s.client.SchemaByGUID(s.ctx, registered.GUID)
	if err != nil {
		return err
	}
	ids, err := s.client.SchemaIDsByGUID(s.ctx, registered.GUID)
	return errors.Join(
		err,
		expect(found.Schema.Schema == order.Schema, "found by its GUID is %v", found),
		expect(slices.Equal(ids, []sr.ContextID{{Context: ".", ID: registered.ID}}), "its ids are %v", ids),
	)
}

func (s *steps) refuse() error {
	pairs := map[string][2]sr.Schema{
		"refuse-avro":     {order, priced},
		"refuse-json":     {jsonSchema("string"), jsonSchema("integer")},
		"refuse-protobuf": {protobufSchema("string"), protobufSchema("int64")},
	}
	for subject, pair := range pairs {
		if _, err := s.client.CreateSchema(s.ctx, subject, pair[0]); err != nil {
			return err
		}
		same, err := s.client.CheckCompatibility(s.ctx, subject, -1, pair[0])
		if err != nil {
			return err
		}
		other, err := s.client.CheckCompatibility(sr.WithParams(s.ctx, sr.Verbose), subject, -2, pair[1])
		if err != nil {
			return err
		}
		err = errors.Join(
			expect(same.Is, "%s: the same schema is called incompatible", subject),
			expect(!other.Is && len(other.Messages) > 0, "%s: it is called compatible: %v", subject, other),
			refused(409, last(s.client.CreateSchema(s.ctx, subject, pair[1]))),
			refused(40402, last(s.client.SchemaByVersion(s.ctx, subject, 2))),
		)
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *steps) config() error {
	global := s.client.Compatibility(s.ctx)[0]
	if _, err := s.client.CreateSchema(s.ctx, "config", order); err != nil {
		return err
	}
	before := s.client.Compatibility(s.ctx, "config")[0]
	set := s.client.SetCompatibility(s.ctx, sr.SetCompatibility{Level: sr.CompatNone}, "config")[0]
	got := s.client.Compatibility(s.ctx, "config")[0]
	_, registered := s.client.CreateSchema(s.ctx, "config", priced)
	reset := s.client.ResetCompatibility(s.ctx, "config")[0]
	after := s.client.Compatibility(sr.WithParams(s.ctx, sr.DefaultToGlobal), "config")[0]
	return errors.Join(
		global.Err, set.Err, got.Err, registered, reset.Err, after.Err,
		expect(global.Level == sr.CompatBackward, "the registry's level is %v", global.Level),
		refused(40408, before.Err),
		expect(set.Level == sr.CompatNone && got.Level == sr.CompatNone, "it was set to %v, got %v", set.Level, got.Level),
		expect(after.Level == sr.CompatBackward, "what is over it is %v", after.Level),
		refused(40408, s.client.Compatibility(s.ctx, "config")[0].Err),
	)
}

func (s *steps) mode() error {
	global := s.client.Mode(s.ctx)[0]
	set := s.client.SetMode(s.ctx, sr.ModeReadOnly, "mode")[0]
	got := s.client.Mode(s.ctx, "mode")[0]
	_, written := s.client.CreateSchema(s.ctx, "mode", order)
	reset := s.client.ResetMode(s.ctx, "mode")[0]
	_, registered := s.client.CreateSchema(s.ctx, "mode", order)
	imports := s.client.SetMode(s.ctx, sr.ModeImport, "imported")[0]
	imported, err := s.client.CreateSchemaWithIDAndVersion(s.ctx, "imported", avroSchema("Imported"), 4711, 5)
	return errors.Join(
		global.Err, set.Err, got.Err, reset.Err, registered, imports.Err, err,
		expect(imported.ID == 4711 && imported.Version == 5, "imported is %v", imported),
		expect(global.Mode == sr.ModeReadWrite, "the registry's mode is %v", global.Mode),
		expect(got.Mode == sr.ModeReadOnly, "it was not set: %v", got.Mode),
		refused(42205, written),
		refused(40409, s.client.Mode(s.ctx, "mode")[0].Err),
	)
}

func (s *steps) contract() error {
	sent := order
	sent.SchemaMetadata = &sr.SchemaMetadata{
		Tags:       map[string][]string{"story.Order.item": {"PII"}},
		Properties: map[string]string{"owner": "sales"},
		Sensitive:  []string{"owner"},
	}
	rule := sr.SchemaRule{
		Name: "few", Kind: sr.SchemaRuleKindCondition, Mode: sr.SchemaRuleModeWrite,
		Type: "CEL", Expr: "message.id < 10", OnFailure: "ERROR",
	}
	sent.SchemaRuleSet = &sr.SchemaRuleSet{DomainRules: []sr.SchemaRule{rule}}
	got, err := s.client.CreateSchema(s.ctx, "contract", sent)
	if err != nil {
		return err
	}
	if err := expect(got.SchemaMetadata != nil && got.SchemaRuleSet != nil, "without its contract: %v", got); err != nil {
		return err
	}
	metadata, rules := got.SchemaMetadata, got.SchemaRuleSet.DomainRules
	return errors.Join(
		expect(reflect.DeepEqual(metadata, sent.SchemaMetadata), "the metadata are %v", metadata),
		expect(len(rules) == 1 && rules[0].Expr == rule.Expr && rules[0].OnFailure == "ERROR", "the rules are %v", rules),
	)
}

func (s *steps) delete() error {
	first, err := s.client.CreateSchema(s.ctx, "delete", order)
	if err != nil {
		return err
	}
	second, err := s.client.CreateSchema(s.ctx, "delete", counted)
	if err != nil {
		return err
	}
	err = errors.Join(
		refused(40407, s.client.DeleteSchema(s.ctx, "delete", 1, sr.HardDelete)),
		s.client.DeleteSchema(s.ctx, "delete", 1, sr.SoftDelete),
		refused(40406, s.client.DeleteSchema(s.ctx, "delete", 1, sr.SoftDelete)),
		last(s.client.SchemaByVersion(sr.WithParams(s.ctx, sr.ShowDeleted), "delete", 1)),
		s.client.DeleteSchema(s.ctx, "delete", 1, sr.HardDelete),
		refused(40402, last(s.client.SchemaByVersion(sr.WithParams(s.ctx, sr.ShowDeleted), "delete", 1))),
		refused(40405, last(s.client.DeleteSubject(s.ctx, "delete", sr.HardDelete))),
	)
	if err != nil {
		return err
	}
	soft, err := s.client.DeleteSubject(s.ctx, "delete", sr.SoftDelete)
	if err != nil {
		return err
	}
	err = errors.Join(
		refused(40404, last(s.client.DeleteSubject(s.ctx, "delete", sr.SoftDelete))),
		last(s.client.SchemaByID(s.ctx, second.ID)),
	)
	if err != nil {
		return err
	}
	hard, err := s.client.DeleteSubject(s.ctx, "delete", sr.HardDelete)
	return errors.Join(
		err,
		expect(slices.Equal(soft, []int{2}) && slices.Equal(hard, []int{2}), "deleted were %v, then %v", soft, hard),
		last(s.client.SchemaByID(s.ctx, first.ID)),
		refused(40401, last(s.client.SubjectVersions(s.ctx, "delete"))),
	)
}

func (s *steps) context() error {
	elsewhere := sr.InContext(s.ctx, ".elsewhere")
	made, err := s.client.CreateSchema(elsewhere, "orders", priced)
	if err != nil {
		return err
	}
	contexts, err := s.client.Contexts(s.ctx)
	if err != nil {
		return err
	}
	subjects, err := s.client.Subjects(s.ctx)
	if err != nil {
		return err
	}
	untouched, err := s.client.SchemaByVersion(s.ctx, "orders", -1)
	if err != nil {
		return err
	}
	named, err := s.client.SchemaByVersion(s.ctx, ":.elsewhere:orders", 1)
	return errors.Join(
		err,
		expect(made.ID == 1, "ids are not the context's own: %d", made.ID),
		expect(slices.Equal(contexts, []string{".", ".elsewhere"}), "the contexts are %v", contexts),
		expect(slices.Contains(subjects, ":.elsewhere:orders"), "the subjects are %v", subjects),
		expect(untouched.Version == 2, "it came into the other context: %v", untouched),
		expect(named.Schema.Schema == priced.Schema, "under its name is %v", named),
	)
}

func (s *steps) restart(restart func() error) error {
	before, err := s.client.AllSchemas(s.ctx)
	if err != nil {
		return err
	}
	if err := restart(); err != nil {
		return err
	}
	after, err := s.client.AllSchemas(s.ctx)
	if err != nil {
		return err
	}
	newest := 0
	for index, schema := range before {
		newest = max(newest, schema.ID)
		if index >= len(after) || schema.ID != after[index].ID || schema.GUID != after[index].GUID {
			return fmt.Errorf("%v is now another of %v", schema, after)
		}
	}
	if err := s.readBack("avro"); err != nil {
		return err
	}
	next, err := s.client.CreateSchema(s.ctx, "restart", avroSchema("Next"))
	return errors.Join(
		err,
		expect(len(after) == len(before), "%d schemas were there, now %d", len(before), len(after)),
		expect(next.ID > newest, "the id %d was given after %d", next.ID, newest),
	)
}
