// SPDX-License-Identifier: GPL-2.0-or-later

/** 'tunnel': by a gateway on this LAN; 'ice-tcp', 'udp': to the server itself; 'relay': by TURN. */
export type Way = 'direct' | 'relay' | 'tunnel' | 'ice-tcp' | 'udp';

export interface OpenOptions {
    /** The server's origin: "https://edge.example". */
    server: string | URL;
    /** For one end of one session, as the application's back end got it. */
    ticket: string;
    /** Which gateway is on this LAN, if there is one. */
    gateway?: string;
}

/** A place where the far end is to be met. */
export interface Place {
    protocol: 'udp' | 'tcp';
    address: string;
    port: number;
    way: 'tunnel' | 'ice-tcp' | 'udp';
}

/** What is signalled; candidates as the browser gives them, null at their end. */
export type Signal = RTCSessionDescriptionInit | RTCIceCandidateInit | RTCIceCandidate | null | undefined;
/** What to send of it; null: nothing, as of a candidate that went with its offer. */
export type Outgoing<X> = X extends null | undefined ? null : X extends {type: RTCSdpType} ? RTCSessionDescriptionInit : X | null;
/** What to give to the peer connection of it; null: nothing. */
export type Incoming<X> = X extends null | undefined ? null : X extends {type: RTCSdpType} ? RTCSessionDescriptionInit : X;

export interface Door {
    /** Both ends are on one gateway's LAN, and need nothing in between. */
    readonly direct: boolean;
    /** The gateway that opened this end; undefined: none, or it could not. */
    readonly gateway: string | undefined;
    /** Settles when the server knows the ufrag that was sent last; rejects with what it said when it does not want to. */
    readonly registered: Promise<void>;
    /** What to send instead of a local description or candidate. */
    outgoing<X extends Signal>(x: X): Promise<Outgoing<X>>;
    /** What to give to the peer connection instead of what was received. */
    incoming<X extends Signal>(x: X): Promise<Incoming<X>>;
    /**
     * Restarts ICE whenever the call's path is lost, where this side called (pc.restartIce(): 'negotiationneeded' follows);
     * where it was called, `ask` may tell the far end to.
     */
    keep(pc: RTCPeerConnection, ask?: () => void): void;
    /** By which way the call goes; null: by none yet. */
    path(pc: RTCPeerConnection): Promise<Way | null>;
    /** Asks anew where the far end is to be met; incoming() does it when ICE restarts. */
    join(): Promise<void>;
}

/** A refusal of the server, as its problem document says it. */
export class SallyportError extends Error {
    readonly status: number;
    readonly code?: string;
    readonly field?: string;
    /** Seconds. */
    readonly retryAfter?: number;
}

/** Takes the end that the ticket is for. Throws SallyportError, or what fetch() throws. */
export function open(options: OpenOptions): Promise<Door>;

export function credentialsOf(sdp: string): {ufrag: string; password?: string} | null;
export function candidateLine(place: Place, i: number): string;
export function withCandidates(sdp: string, places: Place[]): string | null;
