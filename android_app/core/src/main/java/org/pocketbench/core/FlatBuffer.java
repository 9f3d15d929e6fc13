package org.pocketbench.core;

import java.io.File;
import java.io.FileInputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * A FlatBuffer without its generated classes. A table starts with the distance back to its vtable, which holds the
 * offset of each field; strings and vectors stand behind a relative offset and a length. Whatever points out of the
 * file throws IndexOutOfBoundsException.
 */
final class FlatBuffer {
    private final ByteBuffer data;

    FlatBuffer(ByteBuffer data) {
        this.data = data.order(ByteOrder.LITTLE_ENDIAN);
    }

    /** A mapped file; what reads it must let go of it soon. */
    static FlatBuffer of(File file) throws Refused {
        try (FileInputStream stream = new FileInputStream(file)) {
            FileChannel channel = stream.getChannel();
            return new FlatBuffer(channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size()));
        } catch (IOException | IllegalArgumentException error) {
            throw new Refused(file + " cannot be read: " + Refused.oneLine(error));
        }
    }

    int root() {
        return follow(0);
    }

    /** A table behind a field, -1 where it is absent. */
    int table(int table, int field) {
        int place = field(table, field);
        return place < 0 ? -1 : follow(place);
    }

    List<Integer> tables(int table, int field) {
        List<Integer> found = new ArrayList<>();
        int vector = table(table, field);
        for (int i = 0; i < length(vector, 4); i++) {
            found.add(follow(vector + 4 + 4 * i));
        }
        return found;
    }

    String text(int table, int field) {
        int place = table(table, field);
        byte[] text = new byte[length(place, 1)];
        for (int i = 0; i < text.length; i++) {
            text[i] = data.get(place + 4 + i);
        }
        return new String(text, StandardCharsets.UTF_8);
    }

    int number(int table, int field, int otherwise) {
        int place = field(table, field);
        return place < 0 ? otherwise : data.getInt(place);
    }

    int small(int table, int field) {
        int place = field(table, field);
        return place < 0 ? 0 : data.get(place);
    }

    /** 32-bit numbers; empty for an absent field. */
    long[] numbers(int table, int field) {
        int vector = table(table, field);
        long[] found = new long[length(vector, 4)];
        for (int i = 0; i < found.length; i++) {
            found[i] = data.getInt(vector + 4 + 4 * i);
        }
        return found;
    }

    long[] longs(int table, int field) {
        int vector = table(table, field);
        long[] found = new long[length(vector, 8)];
        for (int i = 0; i < found.length; i++) {
            found[i] = data.getLong(vector + 4 + 8 * i);
        }
        return found;
    }

    float[] floats(int table, int field) {
        int vector = table(table, field);
        float[] found = new float[length(vector, 4)];
        for (int i = 0; i < found.length; i++) {
            found[i] = data.getFloat(vector + 4 + 4 * i);
        }
        return found;
    }

    /** Where a field's value stands, -1 where it is absent. */
    private int field(int table, int field) {
        int vtable = table - data.getInt(table);
        int entry = 4 + 2 * field;
        if (entry >= (data.getShort(vtable) & 0xFFFF)) {
            return -1;
        }
        int offset = data.getShort(vtable + entry) & 0xFFFF;
        return offset == 0 ? -1 : table + offset;
    }

    /** Of a vector or a string, which must end inside the file; 0 for none. */
    private int length(int vector, int each) {
        int found = vector < 0 ? 0 : data.getInt(vector);
        if (found < 0 || found > (data.limit() - vector - 4) / each) {
            throw new IndexOutOfBoundsException();
        }
        return found;
    }

    private int follow(int place) {
        return place + data.getInt(place);
    }
}
