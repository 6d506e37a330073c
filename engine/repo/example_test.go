package repo_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/storage/mem"
)

// A repository is made in a storage, and opened again with its password only.
func Example() {
	ctx, storage := context.Background(), mem.New()
	made, err := repo.Init(ctx, storage, "a good password", repo.Options{}, repo.InitOptions{})
	if err != nil {
		log.Fatal(err)
	}
	opened, err := repo.Open(ctx, storage, "a good password", repo.Options{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("version", opened.Config().Version, "the same:", opened.Config().ID == made.Config().ID)

	_, err = repo.Open(ctx, storage, "a guess", repo.Options{})
	fmt.Println("wrong password:", errors.Is(err, repo.ErrWrongPassword))
	// Output:
	// version 2 the same: true
	// wrong password: true
}

// Blobs are saved under a lock, by a Writer, and found by their hash. What is there already is not saved again.
func ExampleWriter() {
	ctx := context.Background()
	r, err := repo.Init(ctx, mem.New(), "a good password", repo.Options{}, repo.InitOptions{})
	if err != nil {
		log.Fatal(err)
	}
	locked, unlock, err := r.Lock(ctx, repo.Shared, repo.LockOptions{})
	if err != nil {
		log.Fatal(err)
	}
	blob := pack.Handle{ID: crypto.Hash([]byte("hello")), Type: pack.Data}
	w := r.NewWriter()
	for range 2 {
		stored, err := w.SaveBlob(locked, blob, []byte("hello"))
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("new:", stored > 0)
	}
	err = w.Flush(locked)
	w.Close()
	if err := errors.Join(err, unlock()); err != nil {
		log.Fatal(err)
	}

	plain, err := r.LoadBlob(ctx, blob, nil)
	fmt.Printf("%s %v\n", plain, err)
	// Output:
	// new: true
	// new: false
	// hello <nil>
}
