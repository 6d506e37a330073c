package api

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/door"
)

// actor is who asks.
func actor(ctx context.Context) backstay.Actor { return door.Actor(ctx) }

func writeJSON(w http.ResponseWriter, v any) {
	_ = json.NewEncoder(w).Encode(v) // who asked has gone
}
