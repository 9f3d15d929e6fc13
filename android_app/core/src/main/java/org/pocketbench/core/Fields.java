package org.pocketbench.core;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * One JSON object that is read key by key: a wrong type, a number out of range and, at {@link #end}, a key that nobody
 * asked for are Refused with the path of what is wrong.
 */
public final class Fields {
    /** What every JSON reader counts to without loss. */
    public static final long MOST = 1L << 53;

    private final Map<?, ?> map;
    private final String path;
    private final Set<String> known = new LinkedHashSet<>();

    private Fields(Map<?, ?> map, String path) {
        this.map = map;
        this.path = path;
    }

    public static Fields of(Object value, String path) throws Refused {
        if (!(value instanceof Map)) {
            throw new Refused("expected an object - at `" + path + "`");
        }
        return new Fields((Map<?, ?>) value, path);
    }

    /** Nothing else may be there. */
    public void end() throws Refused {
        for (Object key : map.keySet()) {
            if (!known.contains(key)) {
                throw new Refused("the object has an unknown key `" + key + "` - at `" + path + "`");
            }
        }
    }

    public String text(String key) throws Refused {
        return typed(required(key), String.class, key, "a text");
    }

    public String text(String key, String otherwise) throws Refused {
        return has(key) ? text(key) : otherwise;
    }

    public String choice(String key, String... allowed) throws Refused {
        String value = text(key);
        if (!Arrays.asList(allowed).contains(value)) {
            throw wrong(key, "the value '" + value + "', which is not one of " + String.join(", ", allowed));
        }
        return value;
    }

    public boolean flag(String key, boolean otherwise) throws Refused {
        return has(key) ? typed(required(key), Boolean.class, key, "true or false") : otherwise;
    }

    public long count(String key, long least) throws Refused {
        return whole(required(key), key, least);
    }

    public long count(String key, long least, long otherwise) throws Refused {
        return has(key) ? count(key, least) : otherwise;
    }

    /** Any whole number, null where the key is missing or null. */
    public Long wholeOrNull(String key) throws Refused {
        return given(key) == null ? null : whole(given(key), key, -MOST);
    }

    public double seconds(String key) throws Refused {
        double value = number(key);
        if (value < 0) {
            throw wrong(key, value + ", expected >= 0");
        }
        return value;
    }

    public double number(String key) throws Refused {
        return typed(required(key), Number.class, key, "a number").doubleValue();
    }

    public Double numberOrNull(String key) throws Refused {
        return given(key) == null ? null : number(key);
    }

    /** An object inside, null where the key is missing or null. */
    public Fields inner(String key) throws Refused {
        return given(key) == null ? null : of(given(key), path + "." + key);
    }

    public Fields requiredInner(String key) throws Refused {
        return of(required(key), path + "." + key);
    }

    /** Objects in a list; empty where the key may be missing and is. */
    public List<Fields> objects(String key, boolean optional) throws Refused {
        List<Fields> found = new ArrayList<>();
        if (optional && !has(key)) {
            return found;
        }
        for (Object value : typed(required(key), List.class, key, "a list")) {
            found.add(of(value, path + "." + key + "[" + found.size() + "]"));
        }
        return found;
    }

    public long[] counts(String key, long least) throws Refused {
        List<?> values = typed(required(key), List.class, key, "a list");
        long[] found = new long[values.size()];
        for (int i = 0; i < found.length; i++) {
            found[i] = whole(values.get(i), key + "[" + i + "]", least);
        }
        return found;
    }

    public double[] numbers(String key, boolean optional) throws Refused {
        List<?> values = optional && !has(key) ? new ArrayList<>() : typed(required(key), List.class, key, "a list");
        double[] found = new double[values.size()];
        for (int i = 0; i < found.length; i++) {
            found[i] = typed(values.get(i), Number.class, key + "[" + i + "]", "a number").doubleValue();
        }
        return found;
    }

    public Map<String, String> texts(String key) throws Refused {
        Map<String, String> found = new LinkedHashMap<>();
        if (has(key)) {
            for (Map.Entry<?, ?> entry : ((Map<?, ?>) typed(required(key), Map.class, key, "an object")).entrySet()) {
                found.put((String) entry.getKey(), typed(entry.getValue(), String.class, key, "a text"));
            }
        }
        return found;
    }

    public boolean has(String key) {
        known.add(key);
        return map.containsKey(key);
    }

    private Object given(String key) {
        return has(key) ? map.get(key) : null;
    }

    private Object required(String key) throws Refused {
        if (!has(key)) {
            throw new Refused("the object misses the key `" + key + "` - at `" + path + "`");
        }
        return map.get(key);
    }

    private long whole(Object value, String key, long least) throws Refused {
        if (value instanceof BigInteger) {
            throw wrong(key, value + ", expected <= " + MOST);
        }
        long found = typed(value, Long.class, key, "a whole number");
        if (found < least || found > MOST) {
            throw wrong(key, found + ", expected " + (found < least ? ">= " + least : "<= " + MOST));
        }
        return found;
    }

    private <T> T typed(Object value, Class<T> kind, String key, String words) throws Refused {
        if (!kind.isInstance(value)) {
            throw wrong(key, (value == null ? "null" : value.getClass().getSimpleName()) + ", expected " + words);
        }
        return kind.cast(value);
    }

    private Refused wrong(String key, String what) {
        return new Refused("got " + what + " - at `" + path + "." + key + "`");
    }
}
