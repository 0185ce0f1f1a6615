// Package etcdapi asks an etcd member for its status and the cluster's members, over gRPC.
//
// It speaks the two calls that are needed of etcd's own API (etcdserverpb, rpc.proto of v3.4 and later), with the field numbers written down here:
// the generated package would bring several modules for a dozen fields. A field that a later etcd adds is passed over.
// Both calls are answered from the member's memory: no entry goes through raft.
package etcdapi

import (
	"context"
	"crypto/tls"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

// Status is what a member says of itself.
type Status struct {
	Member    uint64 // its ID
	Version   string
	DBSize    int64  // in bytes, as on disk
	DBInUse   int64  // in bytes
	DBQuota   int64  // in bytes; 0: not told (before 3.6)
	Leader    uint64 // 0: none
	Term      uint64
	RaftIndex uint64
	Applied   uint64 // raft index
	Errors    []string
	IsLearner bool
}

// Member of the cluster.
type Member struct {
	ID        uint64
	Name      string // empty: it has not started yet
	PeerURLs  []string
	IsLearner bool
}

// Client of one member.
type Client struct{ conn *grpc.ClientConn }

// maxMessage bounds an answer: a cluster has a handful of members.
const maxMessage = 1 << 20

// Dial makes a client of host:port that connects at its first call. A nil config is without TLS.
func Dial(address string, c *tls.Config) (*Client, error) {
	creds := insecure.NewCredentials()
	if c != nil {
		creds = credentials.NewTLS(c)
	}
	conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(creds), grpc.WithNoProxy(), grpc.WithDisableServiceConfig(),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(raw{}), grpc.MaxCallRecvMsgSize(maxMessage)))
	if err != nil {
		return nil, fmt.Errorf("connect to etcd: %w", err)
	}
	return &Client{conn}, nil
}

// Close ends the connection.
func (c *Client) Close() { _ = c.conn.Close() }

// Status asks the member for its own.
func (c *Client) Status(ctx context.Context) (Status, error) {
	b, err := c.call(ctx, "/etcdserverpb.Maintenance/Status")
	if err != nil {
		return Status{}, err
	}
	return decodeStatus(b)
}

// Members lists the cluster as this member knows it; with quorum lost too.
func (c *Client) Members(ctx context.Context) ([]Member, error) {
	b, err := c.call(ctx, "/etcdserverpb.Cluster/MemberList")
	if err != nil {
		return nil, err
	}
	return decodeMembers(b)
}

// call sends an empty request, which both calls take.
func (c *Client) call(ctx context.Context, method string) ([]byte, error) {
	var request, reply []byte
	if err := c.conn.Invoke(ctx, method, &request, &reply); err != nil {
		return nil, fmt.Errorf("ask etcd: %w", err)
	}
	return reply, nil
}

// raw passes messages as they are on the wire.
type raw struct{}

func (raw) Marshal(v any) ([]byte, error)   { return *v.(*[]byte), nil }
func (raw) Unmarshal(b []byte, v any) error { *v.(*[]byte) = append([]byte(nil), b...); return nil }
func (raw) Name() string                    { return "proto" }
