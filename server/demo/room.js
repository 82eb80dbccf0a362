// SPDX-License-Identifier: GPL-2.0-or-later
//
// A seat in a room of this server: who sits there hears what the other one says, by server-sent events, and
// speaks by POST. Events: seat, meet (detail: what one needs to join the session), message, left, over,
// refused, and away and back, when the server is not to be reached for a while.

const letters = 'abcdefghjkmnpqrstuvwxyz23456789';

/** Letters and digits that are hard to guess, and easy to read. */
export function randomText(n) {
    const bytes = crypto.getRandomValues(new Uint8Array(n));
    return Array.from(bytes, (byte) => letters[byte % letters.length]).join('');
}

/** "x7kd-92mf-aq4h". */
export function makeName() {
    return [4, 4, 4].map(randomText).join('-');
}

export const isName = (text) => /^[A-Za-z0-9-]{4,40}$/.test(text);

export class Room extends EventTarget {
    #path;
    #seat = randomText(32);
    #source;
    #heard = 0; // number of the last event
    #last = Promise.resolve(); // messages arrive in the order in which they are said

    constructor(name) {
        super();
        this.#path = `/demo/rooms/${name}`;
    }

    #url(more = '') {
        return `${this.#path}${more}?seat=${this.#seat}`;
    }

    #tell(type, detail) {
        this.dispatchEvent(new CustomEvent(type, {detail}));
    }

    enter() {
        this.#source = new EventSource(this.#url());
        for (const type of ['seat', 'meet', 'message', 'left', 'over', 'refused']) {
            this.#source.addEventListener(type, ({data, lastEventId}) => {
                if (type !== 'refused' && Number(lastEventId) <= this.#heard) return;
                this.#heard = Math.max(this.#heard, Number(lastEventId));
                if (type === 'over' || type === 'refused') this.#source.close();
                this.#tell(type, JSON.parse(data));
            });
        }
        // Some browsers come back by themselves, some give up; what was heard before is not heard again.
        this.#source.onerror = ({target}) => {
            this.#tell('away');
            if (target.readyState === EventSource.CLOSED) setTimeout(() => this.enter(), 1000);
        };
        this.#source.onopen = () => this.#tell('back');
    }

    say(what) {
        const body = JSON.stringify(what);
        this.#last = this.#last
            .then(() => fetch(this.#url(), {method: 'POST', headers: {'Content-Type': 'application/json'}, body}))
            .catch((error) => console.warn('demo: a message was lost', error));
        return this.#last;
    }

    /** Also when the page is closed. */
    leave() {
        this.#source?.close();
        navigator.sendBeacon(this.#url('/leave'));
    }
}
