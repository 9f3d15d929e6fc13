package org.pocketbench.core;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * JSON text to Map, List, String, Long, BigInteger (more than 64 bits), Double, Boolean or null. Strict: RFC 8259 and
 * nothing else, no key twice, no more than {@link #DEEPEST} levels, so that nothing odd gets past the twin in Python.
 */
public final class Json {
    static final int DEEPEST = 64;

    private final String text;
    private int at;

    private Json(String text) {
        this.text = text;
    }

    /** The value that a whole text is; Refused with the place of what is wrong. */
    public static Object read(String text) throws Refused {
        Json json = new Json(text);
        Object value = json.value(0);
        json.space();
        if (json.at != text.length()) {
            throw json.wrong("text after its end");
        }
        return value;
    }

    private Object value(int depth) throws Refused {
        space();
        if (depth > DEEPEST) {
            throw wrong("more than " + DEEPEST + " levels");
        }
        char next = at < text.length() ? text.charAt(at) : '\0';
        switch (next) {
            case '{':
                return object(depth);
            case '[':
                return list(depth);
            case '"':
                return string();
            case 't':
                return word("true", Boolean.TRUE);
            case 'f':
                return word("false", Boolean.FALSE);
            case 'n':
                return word("null", null);
            default:
                return number();
        }
    }

    private Map<String, Object> object(int depth) throws Refused {
        Map<String, Object> found = new LinkedHashMap<>();
        at++;
        if (taken('}')) {
            return found;
        }
        do {
            space();
            String key = string();
            if (!taken(':')) {
                throw wrong("no colon after a key");
            }
            if (found.containsKey(key)) {
                throw wrong("the key `" + key + "` twice");
            }
            found.put(key, value(depth + 1));
        } while (taken(','));
        if (!taken('}')) {
            throw wrong("an object without its end");
        }
        return found;
    }

    private List<Object> list(int depth) throws Refused {
        List<Object> found = new ArrayList<>();
        at++;
        if (taken(']')) {
            return found;
        }
        do {
            found.add(value(depth + 1));
        } while (taken(','));
        if (!taken(']')) {
            throw wrong("a list without its end");
        }
        return found;
    }

    private Object word(String word, Object value) throws Refused {
        if (!text.startsWith(word, at)) {
            throw wrong("a word that is no JSON");
        }
        at += word.length();
        return value;
    }

    private String string() throws Refused {
        if (at >= text.length() || text.charAt(at) != '"') {
            throw wrong("no text where one is due");
        }
        StringBuilder found = new StringBuilder();
        for (at++; at < text.length(); at++) {
            char next = text.charAt(at);
            if (next == '"') {
                at++;
                return found.toString();
            }
            if (next < ' ') {
                throw wrong("a control character inside a text");
            }
            found.append(next == '\\' ? escaped() : next);
        }
        throw wrong("a text without its end");
    }

    private char escaped() throws Refused {
        at++;
        char kind = at < text.length() ? text.charAt(at) : '\0';
        int simple = "\"\\/bfnrt".indexOf(kind);
        if (simple >= 0) {
            return "\"\\/\b\f\n\r\t".charAt(simple);
        }
        if (kind != 'u' || at + 5 > text.length() || !text.substring(at + 1, at + 5).matches("[0-9a-fA-F]{4}")) {
            throw wrong("an escape that is none");
        }
        at += 4;
        return (char) Integer.parseInt(text.substring(at - 3, at + 1), 16);
    }

    private Object number() throws Refused {
        int start = at;
        boolean fraction = false;
        while (at < text.length() && "+-0123456789.eE".indexOf(text.charAt(at)) >= 0) {
            fraction |= ".eE".indexOf(text.charAt(at++)) >= 0;
        }
        String found = text.substring(start, at);
        if (!found.matches("-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][+-]?[0-9]+)?")) {
            at = start;
            throw wrong(found.isEmpty() ? "no value where one is due" : "the number " + Refused.oneLine(found));
        }
        if (fraction) {
            double value = Double.parseDouble(found);
            if (Double.isInfinite(value)) {
                throw wrong("a number out of range");
            }
            return value;
        }
        if (found.length() > 18) {
            return new BigInteger(found.length() > 400 ? found.substring(0, 400) : found);
        }
        return Long.parseLong(found);
    }

    private boolean taken(char wanted) {
        space();
        boolean here = at < text.length() && text.charAt(at) == wanted;
        at += here ? 1 : 0;
        return here;
    }

    private void space() {
        while (at < text.length() && " \t\n\r".indexOf(text.charAt(at)) >= 0) {
            at++;
        }
    }

    private Refused wrong(String what) {
        return new Refused("not valid JSON: " + what + ", at character " + at);
    }
}
