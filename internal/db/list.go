package db

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/schema"

	"github.com/backstay/backstay"
)

// ErrQuery means that a list was asked for in a way that makes no sense: an unknown column, a cursor of another list.
var ErrQuery = errors.New("no such list")

// MaxPage is how many records a page has at most.
const MaxPage = 1000

// Query says which records are wanted, and in which order.
type Query struct {
	Where  []Condition
	Reach  []backstay.Reach // only what lies in one of them; nil: nothing. See Everything
	Denied []backstay.Scope // nothing that lies in one of them
	Sort   string           // a column; by default created_at, descending
	Desc   bool
	Limit  int    // at most MaxPage; by default 100
	Cursor string // what the page before gave; "" for the first page
}

// Everything is the reach of the server itself, and of nouns that have no scope.
var Everything = []backstay.Reach{{Scope: backstay.Everywhere}}

// Op compares a column with a value.
type Op string

// The comparisons.
const (
	Is       Op = "="
	Since    Op = ">="
	Before   Op = "<"
	Has      Op = "has"      // a list of ids holds the value
	Contains Op = "contains" // a text holds the value, whatever its case
	OneOf    Op = "in"       // the value is a slice
)

// Condition is what a record has to be like.
type Condition struct {
	Column string
	Op     Op
	Value  any
}

// List returns one page of records, and the cursor of the next one, "" if there is none.
func List[T any](ctx context.Context, tx *Tx, q Query) (page []T, next string, err error) {
	table := tx.tx.Dialect().Tables().Get(reflect.TypeFor[T]())
	if q.Sort == "" {
		q.Sort, q.Desc = "created_at", true
	}
	field := table.FieldMap[q.Sort]
	if !sortable(field) {
		return nil, "", fmt.Errorf("%w: there is nothing called %q to sort by", ErrQuery, q.Sort)
	}
	q.Limit = max(1, min(q.Limit, MaxPage))
	page = make([]T, 0, q.Limit)
	query := tx.tx.NewSelect().Model(&page)
	if query, err = where(query, table, q.Where); err != nil {
		return nil, "", err
	}
	if table.FieldMap["scope"] != nil {
		query = within(query, table, q.Reach, q.Denied, len(q.Where) == 0)
	}
	by := order(field)
	if query, err = after(query, q, by, field.StructField.Type); err != nil {
		return nil, "", err
	}
	direction := " asc"
	if q.Desc {
		direction = " desc"
	}
	if err := query.OrderExpr("?"+direction+", id"+direction, by).Limit(int64(q.Limit) + 1).Scan(ctx); err != nil {
		return nil, "", explain("list", err)
	}
	if len(page) > q.Limit {
		page = page[:q.Limit]
		last := reflect.ValueOf(&page[q.Limit-1]).Elem()
		next = encodeCursor(q, field.Value(last).Interface(), table.FieldMap["id"].Value(last).String())
	}
	return page, next, nil
}

var timeType = reflect.TypeFor[time.Time]()

// sortable reports whether a list can be sorted by a field: by plain values that people see. The cursor tells the value that a page ended
// with, so that what is hidden must not be sorted by.
func sortable(f *schema.Field) bool {
	if f == nil || f.StructField.Tag.Get("json") == "-" {
		return false
	}
	switch t := f.StructField.Type; t.Kind() {
	case reflect.Pointer:
		return t.Elem() == timeType
	case reflect.Struct:
		return t == timeType
	case reflect.Slice, reflect.Map:
		return false
	}
	return true
}

// order is what a list is sorted by. A time that is not there counts as before all others, since a comparison with NULL is never true.
func order(f *schema.Field) schema.QueryWithArgs {
	if f.StructField.Type.Kind() == reflect.Pointer {
		return bun.SafeQuery("coalesce(?, ?)", bun.Ident(f.Name), time.Time{})
	}
	return bun.SafeQuery("?", bun.Ident(f.Name))
}

// Count returns how many records there are.
func Count[T any](ctx context.Context, tx *Tx, conditions ...Condition) (int, error) {
	table := tx.tx.Dialect().Tables().Get(reflect.TypeFor[T]())
	query, err := where(tx.tx.NewSelect().Model((*T)(nil)), table, conditions)
	if err != nil {
		return 0, err
	}
	n, err := query.Count(ctx)
	return int(n), explain("count", err)
}

// Number counts what a query finds, on all of its pages.
func Number[T any](ctx context.Context, tx *Tx, q Query) (int, error) {
	table := tx.tx.Dialect().Tables().Get(reflect.TypeFor[T]())
	query, err := where(tx.tx.NewSelect().Model((*T)(nil)), table, q.Where)
	if err != nil {
		return 0, err
	}
	n, err := within(query, table, q.Reach, q.Denied, len(q.Where) == 0).Count(ctx)
	return int(n), explain("count", err)
}

// All returns every record that meets the conditions, the oldest first. It is for what there are few of.
func All[T any](ctx context.Context, tx *Tx, conditions ...Condition) (all []T, err error) {
	q := Query{Where: conditions, Reach: Everything, Sort: "created_at", Limit: MaxPage}
	for {
		page, next, err := List[T](ctx, tx, q)
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if next == "" {
			return all, nil
		}
		q.Cursor = next
	}
}

func where(query *bun.SelectQuery, table *schema.Table, conditions []Condition) (*bun.SelectQuery, error) {
	for _, c := range conditions {
		field := table.FieldMap[c.Column]
		if field == nil {
			return nil, fmt.Errorf("%w: there is nothing called %q to filter by", ErrQuery, c.Column)
		}
		c, err := c.typed(field.StructField.Type.Kind())
		if err != nil {
			return nil, err
		}
		column := bun.Ident(c.Column)
		switch c.Op {
		case Is:
			query = query.Where("? = ?", column, c.Value)
		case Since:
			query = query.Where("? >= ?", column, c.Value)
		case Before:
			query = query.Where("? < ?", column, c.Value)
		case Has:
			query = query.Where(`? like ? escape '\'`, column, `%"`+escapeLike(fmt.Sprint(c.Value))+`"%`)
		case Contains:
			query = query.Where(`lower(?) like ? escape '\'`, column, "%"+escapeLike(strings.ToLower(fmt.Sprint(c.Value)))+"%")
		case OneOf:
			query = query.Where("? in (?)", column, bun.List(c.Value))
		default:
			return nil, fmt.Errorf("%w: there is no comparison %q", ErrQuery, c.Op)
		}
	}
	return query, nil
}

// typed makes the text of a value that came from outside what the column holds.
func (c Condition) typed(kind reflect.Kind) (Condition, error) {
	text, ok := c.Value.(string)
	if !ok || c.Op != Is {
		return c, nil
	}
	switch kind {
	case reflect.Slice:
		c.Op = Has
	case reflect.Bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return c, fmt.Errorf("%w: %q is true or false", ErrQuery, c.Column)
		}
		c.Value = b
	}
	return c, nil
}

func escapeLike(s string) string {
	return strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(s)
}

// within keeps what somebody may see; alone says that nothing else is asked, which would be answered by an index better. There is nothing in the condition that isn't needed: SQLite looks at all rows if a part of an "or" is
// none that an index answers.
func within(query *bun.SelectQuery, table *schema.Table, reach []backstay.Reach, denied []backstay.Scope, alone bool) *bun.SelectQuery {
	var may []string
	var args []any
	for _, r := range reach {
		condition, values := liesIn(table, r.Scope, alone)
		switch {
		case r.Owner != "" && table.FieldMap["owner"] == nil:
			continue
		case r.Owner != "":
			condition, values = "owner = ? and ("+condition+")", append([]any{r.Owner}, values...)
		}
		may, args = append(may, "("+condition+")"), append(args, values...)
	}
	if len(may) == 0 {
		may = []string{"1 = 0"}
	}
	query = query.Where(strings.Join(may, " or "), args...) // in parentheses
	for _, scope := range denied {
		query = query.Where(`not (scope = ? or scope like ? escape '\')`, scope, below(scope))
	}
	return query
}

// leaves are the tables of which there may be so many rows that they are found by their place: what they hold lies right in a project, a
// source or a repository, and nothing lies in it. The values are the kinds, as scopes have them.
var leaves = map[string]string{"runs": "run", "snapshots": "snapshot"}

// liesIn is the condition that something lies in a scope, as an index answers it where there is one.
func liesIn(table *schema.Table, scope backstay.Scope, alone bool) (condition string, args []any) {
	kind, leaf := leaves[table.Name]
	project := scope.Project()
	switch {
	case scope == backstay.Everywhere:
		return "1 = 1", nil
	case leaf && scope.IsWithinProject() && !strings.Contains(string(scope), "/"+kind+"/"):
		return "substr(scope, 1, length(scope) - length(id)) = ?", []any{scope.Of(kind, "")}
	case alone && project != "" && table.FieldMap["project"] != nil:
		return `project = ? and (scope = ? or scope like ? escape '\')`, []any{project, scope, below(scope)}
	}
	return `scope = ? or scope like ? escape '\'`, []any{scope, below(scope)}
}

// below is the pattern of the scopes within s.
func below(s backstay.Scope) string {
	return escapeLike(strings.TrimSuffix(string(s), "/")) + "/%"
}

// cursor is where a page ended. The order is part of it: a cursor makes no sense in a list that is sorted otherwise.
type cursor struct {
	Sort  string          `json:"s"`
	Desc  bool            `json:"d,omitempty"`
	Value json.RawMessage `json:"v"`
	ID    string          `json:"i"`
}

func encodeCursor(q Query, value any, id string) string {
	switch t := value.(type) {
	case time.Time:
		value = t.UTC()
	case *time.Time:
		if value = (time.Time{}); t != nil {
			value = t.UTC()
		}
	}
	v, err := json.Marshal(value)
	if err != nil {
		panic(err) // columns that are sorted by are plain values
	}
	text, _ := json.Marshal(cursor{q.Sort, q.Desc, v, id}) // of strings and valid JSON
	return base64.RawURLEncoding.EncodeToString(text)
}

// after keeps what comes after the page before.
func after(query *bun.SelectQuery, q Query, by schema.QueryWithArgs, kind reflect.Type) (*bun.SelectQuery, error) {
	if q.Cursor == "" {
		return query, nil
	}
	var c cursor
	text, err := base64.RawURLEncoding.DecodeString(q.Cursor)
	if err == nil {
		err = json.Unmarshal(text, &c)
	}
	value := reflect.New(kind)
	if err == nil {
		err = json.Unmarshal(c.Value, value.Interface())
	}
	if err != nil || c.Sort != q.Sort || c.Desc != q.Desc {
		return nil, fmt.Errorf("%w: the cursor belongs to another list", ErrQuery)
	}
	compare := "(?, id) > (?, ?)"
	if q.Desc {
		compare = "(?, id) < (?, ?)"
	}
	return query.Where(compare, by, value.Elem().Interface(), c.ID), nil
}
