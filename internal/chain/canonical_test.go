package chain

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"pgregory.net/rapid"
)

func canonical(t interface{ Fatalf(string, ...any) }, v any) string {
	p, err := Canonical(v)
	if err != nil {
		t.Fatalf("Canonical(%v) = %v", v, err)
	}
	return string(p)
}

func TestJSONHasOneForm(t *testing.T) {
	for text, want := range map[string]string{
		`null`:                   `null`,
		` true `:                 `true`,
		`[ ]`:                    `[]`,
		`{}`:                     `{}`,
		`"<&>"`:                  `"<&>"`,
		`"\u003c\u00e9\u2028\/"`: "\"<\u00e9\u2028/\"",
		`"\u0000\u0008\u000c\u000a\u000d\u0009\u001f\u007f\"\\"`:  "\"\\u0000\\b\\f\\n\\r\\t\\u001f\u007f\\\"\\\\\"",
		`{"b": [1, {"z":0,"a":null}], "a" : {"": 1}, "B": false}`: `{"B":false,"a":{"":1},"b":[1,{"a":null,"z":0}]}`,
		`{"a": 1, "a": 2}`: `{"a":2}`,
		// The examples of RFC 8785, 3.2.2 and 3.2.3; of the first number it would keep fewer digits.
		`{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],"string":"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/","literals":[null,true,false]}`:                                        `{"literals":[null,true,false],"numbers":[333333333.33333329,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}`,
		`{"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew Letter Dalet With Dagesh","1":"One","\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis"}`: "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u0080\":\"Control\",\"ö\":\"Latin Small Letter O With Diaeresis\",\"€\":\"Euro Sign\",\"😀\":\"Emoji: Grinning Face\",\"\ufb33\":\"Hebrew Letter Dalet With Dagesh\"}",
	} {
		if got := canonical(t, json.RawMessage(text)); got != want {
			t.Errorf("Canonical(%s) = %s, want %s", text, got, want)
		}
	}
}

func TestNumbersAreThoseOfJavaScript(t *testing.T) {
	for bits, want := range map[uint64]string{ // RFC 8785, appendix B
		0x0000000000000000: "0", 0x8000000000000000: "0", 0x0000000000000001: "5e-324", 0x8000000000000001: "-5e-324",
		0x7fefffffffffffff: "1.7976931348623157e+308", 0xffefffffffffffff: "-1.7976931348623157e+308",
		0x4340000000000000: "9007199254740992", 0xc340000000000000: "-9007199254740992", 0x4430000000000000: "295147905179352830000",
		0x44b52d02c7e14af5: "9.999999999999997e+22", 0x44b52d02c7e14af6: "1e+23", 0x44b52d02c7e14af7: "1.0000000000000001e+23",
		0x444b1ae4d6e2ef4e: "999999999999999700000", 0x444b1ae4d6e2ef4f: "999999999999999900000", 0x444b1ae4d6e2ef50: "1e+21",
		0x3eb0c6f7a0b5ed8c: "9.999999999999997e-7", 0x3eb0c6f7a0b5ed8d: "0.000001",
		0x41b3de4355555553: "333333333.3333332", 0x41b3de4355555554: "333333333.33333325", 0x41b3de4355555555: "333333333.3333333",
		0x41b3de4355555556: "333333333.3333334", 0x41b3de4355555557: "333333333.33333343",
		0xbecbf647612f3696: "-0.0000033333333333333333", 0x43143ff3c1cb0959: "1424953923781206.2",
	} {
		if got := canonical(t, math.Float64frombits(bits)); got != want {
			t.Errorf("Canonical of %#x = %s, want %s", bits, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) { // json.Marshal writes them as JavaScript does
		f := math.Float64frombits(rapid.Uint64().Draw(t, "bits"))
		if math.IsNaN(f) || math.IsInf(f, 0) || f == 0 {
			return
		}
		want, err := json.Marshal(f)
		if got := canonical(t, f); err != nil || got != string(want) {
			t.Errorf("Canonical(%g) = %s, want %s", f, got, want)
		}
	})
}

func TestNumbersKeepAllTheirDigits(t *testing.T) {
	for text, want := range map[string]string{
		"9223372036854775807": "9223372036854775807", "-9223372036854775808": "-9223372036854775808", "18446744073709551615": "18446744073709551615",
		"1.0": "1", "-0.0": "0", "0e5": "0", "100": "100", "1e2": "100", "1.50E+1": "15", "12345678901234567890123": "1.2345678901234567890123e+22",
		"0.1234567890123456789": "0.1234567890123456789", "0.0000001": "1e-7", "1e1000": "1e+1000", "120e-1": "12",
	} {
		if got := canonical(t, json.RawMessage(text)); got != want {
			t.Errorf("Canonical(%s) = %s, want %s", text, got, want)
		}
	}
	for _, text := range []string{"1e1000001", "1e-1000001", "1e99999999999999999999"} {
		if got, err := Canonical(json.RawMessage(text)); err == nil {
			t.Errorf("Canonical(%s) = %s, want an error", text, got)
		}
	}
	if got, err := Canonical(math.Inf(1)); err == nil {
		t.Errorf("Canonical of infinity = %s, want an error", got)
	}
}

func TestTheFormOutlivesADatabase(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := value(3).Draw(t, "v")
		want := canonical(t, v)
		if again := canonical(t, json.RawMessage(want)); again != want {
			t.Errorf("Canonical of %s = %s", want, again)
		}
		var tree any
		d := json.NewDecoder(strings.NewReader(want))
		d.UseNumber()
		if err := d.Decode(&tree); err != nil {
			t.Fatalf("%s is no JSON: %v", want, err)
		}
		if got := canonical(t, json.RawMessage(rewritten(tree))); got != want {
			t.Errorf("Canonical of what a database makes of %s = %s", want, got)
		}
	})
}

func TestEqualRecordsHaveEqualForms(t *testing.T) {
	type record struct {
		Time   time.Time         `json:"time"`
		Actor  string            `json:"actor"`
		Before map[string]string `json:"before"`
		Size   int64             `json:"size"`
	}
	one := record{start, "ada <ada@example.org>", map[string]string{"b": "2", "a": "1"}, math.MaxInt64}
	want := `{"actor":"ada <ada@example.org>","before":{"a":"1","b":"2"},"size":9223372036854775807,"time":"2026-11-27T12:00:00Z"}`
	if got := canonical(t, one); got != want {
		t.Errorf("Canonical = %s, want %s", got, want)
	}
	var back any
	if err := json.Unmarshal([]byte(want), &back); err != nil {
		t.Fatal(err)
	}
	if got := canonical(t, map[string]any{"size": int64(math.MaxInt64), "time": start, "actor": one.Actor, "before": back.(map[string]any)["before"]}); got != want {
		t.Errorf("Canonical of the same in a map = %s, want %s", got, want)
	}
}

// value makes JSON values of Go.
func value(depth int) *rapid.Generator[any] {
	kinds := []*rapid.Generator[any]{
		rapid.Just[any](nil), rapid.Bool().AsAny(), rapid.String().AsAny(), rapid.Int64().AsAny(), rapid.Uint64().AsAny(),
		rapid.Float64().Filter(func(f float64) bool { return !math.IsInf(f, 0) && !math.IsNaN(f) }).AsAny(),
	}
	if depth > 0 {
		kinds = append(kinds, rapid.Deferred(func() *rapid.Generator[any] { return rapid.SliceOfN(value(depth-1), 0, 4).AsAny() }),
			rapid.Deferred(func() *rapid.Generator[any] { return rapid.MapOfN(rapid.String(), value(depth-1), 0, 4).AsAny() }))
	}
	return rapid.OneOf(kinds...)
}

// rewritten writes a value in another way, as a database does that keeps JSON taken apart: in another order, with spaces, with numbers
// written out, with other escapes.
func rewritten(v any) string {
	switch v := v.(type) {
	case json.Number:
		f, ok := new(big.Rat).SetString(string(v))
		if !ok {
			panic(v)
		}
		return f.FloatString(400)
	case string:
		var b strings.Builder
		for _, r := range v {
			if r < ' ' || r > '~' || r == '"' || r == '\\' {
				for _, unit := range utf16.Encode([]rune{r}) {
					fmt.Fprintf(&b, `\u%04X`, unit)
				}
			} else {
				b.WriteRune(r)
			}
		}
		return `"` + b.String() + `"`
	case []any:
		parts := make([]string, len(v))
		for i, e := range v {
			parts[i] = rewritten(e)
		}
		return "[ " + strings.Join(parts, " , ") + " ]"
	case map[string]any:
		var parts []string
		for name, e := range v {
			parts = append(parts, rewritten(name)+" : "+rewritten(e))
		}
		rand.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
		return "{ " + strings.Join(parts, ",\n") + " }"
	}
	return fmt.Sprint(map[any]string{nil: "null", true: "true", false: "false"}[v])
}

func FuzzCanonical(f *testing.F) {
	for _, seed := range []string{`{"a":[1,2.50,-0,1e400,"\ud800"],"":{}}`, `[[[]]]`, `"x"`, `1 2`, `{"a":1,"a":2}`, `123456789012345678901234567890e-5`, `1111111111111e999999`, `0.0001e-999999`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		once, err := Canonical(json.RawMessage(text))
		if err != nil {
			return
		}
		if !json.Valid(once) {
			t.Fatalf("Canonical(%q) = %q, which is no JSON", text, once)
		}
		if again := canonical(t, json.RawMessage(once)); again != string(once) {
			t.Errorf("Canonical(%q) = %q, and of that %q", text, once, again)
		}
	})
}
