package crifake

import (
	"context"
	"fmt"
	"path"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Client reaches a server in process. Embedded are both services of the CRI.
type Client struct {
	cri.RuntimeServiceClient
	cri.ImageServiceClient
}

// Client returns a client that calls the server on the caller's goroutine: no sockets, no goroutines, messages copied both
// ways, errors with gRPC status, a call's context honoured.
func (s *Server) Client() Client {
	return Client{RuntimeServiceClient: cri.NewRuntimeServiceClient(conn{s}), ImageServiceClient: cri.NewImageServiceClient(conn{s})}
}

// Conn is the connection under Client, for a caller that makes its own clients.
func (s *Server) Conn() grpc.ClientConnInterface { return conn{s} }

// conn is a grpc.ClientConnInterface that ends in the server's own method tables.
type conn struct{ s *Server }

// Invoke implements grpc.ClientConnInterface.
func (c conn) Invoke(ctx context.Context, method string, args, reply any, _ ...grpc.CallOption) error {
	if err := ctx.Err(); err != nil {
		return status.FromContextError(err).Err()
	}
	name := path.Base(method)
	for _, service := range []grpc.ServiceDesc{cri.RuntimeService_ServiceDesc, cri.ImageService_ServiceDesc} {
		if path.Dir(method) != "/"+service.ServiceName {
			continue
		}
		for _, m := range service.Methods {
			if m.MethodName != name {
				continue
			}
			resp, err := m.Handler(c.s, ctx, func(in any) error { return copyMessage(in, args) }, nil)
			if err != nil {
				return status.Convert(err).Err()
			}
			return copyMessage(reply, resp)
		}
	}
	return status.Errorf(codes.Unimplemented, "unknown method %s", method)
}

// copyMessage makes to a deep copy of from.
func copyMessage(to, from any) error {
	dst, ok := to.(proto.Message)
	src, ok2 := from.(proto.Message)
	if !ok || !ok2 {
		return fmt.Errorf("copy %T to %T: not protobuf messages", from, to)
	}
	proto.Reset(dst)
	proto.Merge(dst, src)
	return nil
}

// NewStream implements grpc.ClientConnInterface for GetContainerEvents; the other streams are Unimplemented.
func (c conn) NewStream(ctx context.Context, _ *grpc.StreamDesc, method string, _ ...grpc.CallOption) (grpc.ClientStream, error) {
	if err := ctx.Err(); err != nil {
		return nil, status.FromContextError(err).Err()
	}
	if path.Base(method) != "GetContainerEvents" {
		return nil, unknownMethod(path.Base(method))
	}
	st, err := c.s.openEvents(ctx)
	if err != nil {
		return nil, err
	}
	return &directStream{ctx: ctx, events: st}, nil
}

// directStream is the client's end of an event stream.
type directStream struct {
	ctx    context.Context
	events *eventStream
}

// RecvMsg implements grpc.ClientStream.
func (d *directStream) RecvMsg(m any) error {
	e, err := d.events.next()
	if err != nil {
		return err
	}
	return copyMessage(m, e)
}

// SendMsg implements grpc.ClientStream; the request is empty.
func (d *directStream) SendMsg(any) error { return nil }

// CloseSend implements grpc.ClientStream.
func (d *directStream) CloseSend() error { return nil }

// Context implements grpc.ClientStream.
func (d *directStream) Context() context.Context { return d.ctx }

// Header implements grpc.ClientStream.
func (d *directStream) Header() (metadata.MD, error) { return nil, nil }

// Trailer implements grpc.ClientStream.
func (d *directStream) Trailer() metadata.MD { return nil }
