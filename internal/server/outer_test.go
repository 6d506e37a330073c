package server

import (
	"crypto/rand"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/internal/metrics"
)

func TestHalfAnAnswerDoesNotLookLikeAWholeOne(t *testing.T) {
	for name, cause := range map[string]any{"a panic": "something", "giving up": http.ErrAbortHandler} {
		s := &Server{metrics: metrics.New(), opt: Options{Clock: clock.System, Rand: rand.Reader, Log: slog.New(slog.DiscardHandler)}}
		here := httptest.NewServer(s.outer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, strings.Repeat("half ", 10_000))
			panic(cause)
		})))
		here.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
		answer, err := http.Get(here.URL)
		if err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(answer.Body); err == nil {
			t.Errorf("after %s %d bytes look like all there is", name, len(text))
		}
		_ = answer.Body.Close()
		here.Close()
	}
}

func TestAPanicBeforeTheAnswerIsAProblem(t *testing.T) {
	s := &Server{metrics: metrics.New(), opt: Options{Clock: clock.System, Rand: rand.Reader, Log: slog.New(slog.DiscardHandler)}}
	here := httptest.NewServer(s.outer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("something with a secret") })))
	defer here.Close()
	answer, err := http.Get(here.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	if text, err := io.ReadAll(answer.Body); err != nil || answer.StatusCode != http.StatusInternalServerError || strings.Contains(string(text), "secret") {
		t.Errorf("the answer is %s %s, %v", answer.Status, text, err)
	}
}
