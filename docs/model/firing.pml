/*
 * One occurrence of a schedule, from its claim to its end: claim, publish, record, outcome, retry (ADR 0028).
 *
 * Two schedulers claim, publish and record; each may crash at any point. The bus may refuse a message, or give no answer
 * and accept it later or never. Messages and outcomes may be lost. The API cancels and moves what waits.
 *
 * Time is abstract. A claim's deadline passes before its lease ends. The outcome horizon ends only when nothing of the
 * event is on its way any more: the one assumption about time that the protocol makes.
 *
 * `make model` checks it. A breach (-D...) brings back a fault, and the check must then fail:
 *   RETURN_EXPIRED   the reaper returns a claim whose lease has ended to PENDING, as if it were certainly not published
 *   SILENCE_IS_NO    a call without an answer counts as refused
 *   LATE_CALLS       a call may start after the deadline
 *   UNFENCED         who gives a claim back does not look at its token
 *   OUTCOME_MAKES    every outcome makes a successor, whether or not the schedule still names the event
 * A variation that still holds: -DNO_TAKE_OVER, where nobody publishes again what may have been published.
 */

#ifndef FAULTS
#define FAULTS 2
#endif
#define NOBODY 0

mtype = { PENDING, PROCESSING, COMPLETED, FAILED, CANCELLED, MISSED };
mtype = { ACCEPTED, REFUSED, SILENT };

/* The row of the event, and its schedule. */
mtype status = PENDING;
byte token = NOBODY;     /* claim_token: 1 or 2 */
bool leased = false;     /* claimed_until is to come */
bool stamped = false;    /* published_at is set */
bool doubt = false;      /* unconfirmed_until is set */
bool moved = false;      /* it has another target than the rule gave it */
byte attempt = 0;        /* 1 after a retry */
bool named = true;       /* its schedule names it */
byte successors = 0;
bool late = false;       /* its grace has ended */

/* What is on its way. Messages by target and attempt: 2 * moved + attempt. Outcomes by success and attempt. */
byte open_calls[4];      /* without an answer: accepted later, or never */
byte queued[4];
byte outcomes[4];

/* delivery-service: it does what has succeeded never again, and what has failed for a higher attempt alone. */
bool known = false;
bool succeeded = false;
byte known_attempt = 0;
byte effects = 0;

/* What the API has answered. */
bool said_cancelled = false;
bool said_moved = false;

bool in_time[3];         /* of a scheduler: the deadline of its claim is to come */
byte faults = FAULTS;

#define on_its_way(x) (open_calls[x] + queued[x])
#define nothing_on_its_way (on_its_way(0) + on_its_way(1) + on_its_way(2) + on_its_way(3) \
    + outcomes[0] + outcomes[1] + outcomes[2] + outcomes[3] == 0)
#ifdef UNFENCED
#define mine (status == PROCESSING)
#else
#define mine (status == PROCESSING && token == me)
#endif
#define ended (status != PENDING && status != PROCESSING)

inline succeed_once() {
    if
    :: named -> named = false; successors++
    :: else
    fi
}

proctype Scheduler(byte me) {
    byte message;
    mtype answer;

idle:
    in_time[me] = false;
end_idle:
    atomic {
        if
        :: status == PENDING && !late ->
            status = PROCESSING; stamped = false
#ifndef NO_TAKE_OVER
        :: status == PROCESSING && !leased && !stamped && !late ->
            /* A lease that has ended: its holder may have published until then. */
            doubt = doubt || token != NOBODY
#endif
        :: status == PROCESSING && !leased && stamped && nothing_on_its_way -> skip
        :: status == PROCESSING && !leased && stamped && !nothing_on_its_way && faults > 0 ->
            faults-- /* the outcome takes longer than it should */
        fi;
        token = me; leased = true; in_time[me] = true;
        message = 2 * moved + attempt
    };

    atomic {
        if
        :: faults > 0 -> faults--; goto idle /* crash before the call */
        :: true
        fi
    };

    atomic {
#ifdef LATE_CALLS
        if
        :: true ->
#else
        if
        :: !in_time[me] -> answer = REFUSED /* too late: nothing was sent */
        :: in_time[me] ->
#endif
            if
            :: true -> queued[message]++; answer = ACCEPTED
            :: faults > 0 -> faults--; answer = REFUSED
            :: faults > 0 -> faults--; open_calls[message]++; answer = SILENT
            fi
        fi
    };

    atomic {
        if
        :: faults > 0 -> faults--; goto idle /* crash before the record */
        :: true
        fi
    };

    atomic {
        if
        :: answer == ACCEPTED && mine ->
            stamped = true; doubt = false; leased = false; succeed_once()
#ifndef SILENCE_IS_NO
        :: answer == SILENT && mine ->
            doubt = doubt || !stamped; token = NOBODY; leased = false
        :: answer == REFUSED && mine ->
#else
        :: answer != ACCEPTED && mine ->
#endif
            token = NOBODY; leased = false;
            if
            :: !stamped && !doubt -> status = PENDING
            :: else /* published, or perhaps published, by an earlier call */
            fi
        :: else
        fi
    };
    goto idle
}

proctype Clock() {
end:
    do
    :: atomic { in_time[1] && faults > 0 -> faults--; in_time[1] = false }
    :: atomic { in_time[2] && faults > 0 -> faults--; in_time[2] = false }
    :: atomic { leased && token != NOBODY && !in_time[token] -> leased = false }
    :: atomic { !late -> late = true }
    od
}

proctype Reaper() {
end:
    do
    :: atomic {
        /* The outcome horizon has ended. */
        status == PROCESSING && !stamped && !leased && nothing_on_its_way && (doubt || token != NOBODY) ->
        status = PENDING; token = NOBODY; doubt = false }
#ifdef RETURN_EXPIRED
    :: atomic { status == PROCESSING && !stamped && !leased && !doubt -> status = PENDING; token = NOBODY }
#endif
    :: atomic {
        late && (status == PENDING || status == PROCESSING && !stamped && !leased) ->
        status = MISSED; token = NOBODY; succeed_once() }
    od
}

inline cross(message) {
    if
    :: open_calls[message] > 0 -> open_calls[message]--; queued[message]++ /* accepted late */
    :: open_calls[message] > 0 -> open_calls[message]--                    /* never accepted */
    :: queued[message] > 0 && faults > 0 -> faults--; queued[message]--    /* lost */
    fi
}

proctype Bus() {
end:
    do
    :: atomic { cross(0) }
    :: atomic { cross(1) }
    :: atomic { cross(2) }
    :: atomic { cross(3) }
    od
}

inline deliver(message) {
    queued[message] > 0 ->
    queued[message]--;
    /* What the API said was cancelled or moved is not sent at its old time. */
    assert(!said_cancelled);
    assert(!said_moved || message >= 2);
    if
    :: !known || (!succeeded && message % 2 > known_attempt) ->
        known = true; known_attempt = message % 2;
        if
        :: true -> succeeded = true; effects++
        :: true -> succeeded = false
        fi
    :: else
    fi;
    outcomes[2 * succeeded + known_attempt]++
}

proctype Delivery() {
end:
    do
    :: atomic { deliver(0) }
    :: atomic { deliver(1) }
    :: atomic { deliver(2) }
    :: atomic { deliver(3) }
    od
}

inline conclude(outcome) {
    outcomes[outcome] > 0 ->
    outcomes[outcome]--;
    if
    :: faults > 0 -> faults-- /* lost */
    :: outcome % 2 == attempt && outcome >= 2 && status != COMPLETED ->
        status = COMPLETED; token = NOBODY; leased = false; succeed_once()
    :: outcome % 2 == attempt && outcome < 2 && (status == PENDING || status == PROCESSING) ->
        status = FAILED; token = NOBODY; leased = false; succeed_once()
    :: else
#ifdef OUTCOME_MAKES
        -> successors++
#endif
    fi
}

proctype Outcomes() {
end:
    do
    :: atomic { conclude(0) }
    :: atomic { conclude(1) }
    :: atomic { conclude(2) }
    :: atomic { conclude(3) }
    od
}

proctype Api() {
end:
    do
    :: atomic { status == PENDING -> status = CANCELLED; said_cancelled = true; succeed_once() }
    :: atomic { status == PENDING && !moved -> moved = true; said_moved = true }
    :: atomic {
        status == FAILED && attempt == 0 ->
        status = PROCESSING; attempt = 1; stamped = true; token = NOBODY; leased = false; doubt = false }
    od
}

init {
    atomic {
        run Scheduler(1); run Scheduler(2); run Clock(); run Reaper(); run Bus(); run Delivery(); run Outcomes(); run Api()
    }
}

/* Safety, besides the assertions where messages are delivered. */
ltl once { [] (successors <= 1 && effects <= 1) }
ltl waiting_is_certain { [] (status == PENDING -> nothing_on_its_way) }
/* Liveness: every occurrence ends, and its schedule goes on. */
ltl ends { <> [] (ended && successors == 1) }
